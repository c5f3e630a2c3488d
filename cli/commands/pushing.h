// SPDX-License-Identifier: Apache-2.0
#pragma once

// Images to registries, for `push` and for the outputs of a build.

#include <string>
#include <vector>

#include "builder/plan/build_plan.h"
#include "builder/push/push_image.h"
#include "layerstore/store/store.h"

namespace imgbuild::cli {

struct PushJob {
    layerstore::Store& store;
    layerstore::Descriptor root;     ///< a manifest or an index, its documents in the store
    std::vector<std::string> names;  ///< full references
    /// Whose base images know where layers are that the store does not have; null where it has all of them.
    const builder::BuildPlan* plan = nullptr;
    bool by_digest = false;
    bool quiet = false;  ///< nothing is told
};

/// Pushes, and tells of each repository what went there.
void push(const PushJob& job);

}  // namespace imgbuild::cli
