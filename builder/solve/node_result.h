// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a node of the plan came to. Immutable once made; jobs read results of other nodes without locks.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "builder/plan/build_plan.h"
#include "layerstore/store/records.h"
#include "layerstore/tree/content_source.h"
#include "layerstore/tree/tree.h"

namespace imgbuild::builder {

struct NodeResult;

/// On whose word a result stands: a set of imported caches (by SolveOptions::imports), each of which says all of it.
/// What this store knows by itself needs nobody's word.
using Vouchers = std::uint32_t;
inline constexpr Vouchers known_here = ~Vouchers{0};

/// One layer below a file tree.
struct StackLayer {
    DeltaId delta;
    const NodeResult* origin =
        nullptr;  ///< whose step made it; outlives this, because results live as long as the build
};

struct NodeResult {
    const PlanNode* node = nullptr;
    std::vector<const NodeResult*> inputs;  ///< those of the node; alive as long as the build
    layerstore::Tree tree;
    /// Of a context whose files keep their times: the same files at the times at which this store first saw them, which
    /// else stand in `tree`.
    std::optional<layerstore::Tree> first_seen;
    /// Of a step, how long it took when it was done, now or in an earlier build.
    std::chrono::milliseconds cost{};
    std::vector<StackLayer> stack;  ///< what the tree is made of, lowest first; empty for contexts and fetched files
    /// Where the bytes of this node's own files come from; null where they stand with its inputs, in the delta that
    /// a command left, or in its image's layers.
    std::shared_ptr<layerstore::ContentSource> own_contents;
    /// Of what came from elsewhere, which bytes: a commit, or "sha256:HEX" of a file; else empty.
    std::string revision;
    /// The layer of this node's step, where the record of the step told of it and its blob stands in the store, leased.
    std::optional<layerstore::LayerRecord> packed;
    Vouchers vouchers = known_here;  ///< of this node's own work; of its inputs' they have their own
};

}  // namespace imgbuild::builder
