// SPDX-License-Identifier: Apache-2.0
#pragma once

// Why a step has to be done although something like it was done before: its key beside the most similar key that the
// store remembers. Names of what differs, never values: those of build arguments and of the environment are nobody's
// business who reads a log.

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/cache/step_key.h"
#include "layerstore/store/records.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::builder {

struct EarlierStep {
    /// What the new step has otherwise, one cause each: "environment PATH changed", "the command changed".
    std::vector<std::string> causes;
    DeltaId delta;              ///< its result, whose record may be gone
    std::string foreign_delta;  ///< encoded: of a step that the store does not have
};

/// Steps that others did, as caches outside the store tell of them; borrowed.
struct ForeignSteps {
    struct Step {
        std::string_view preimage;
        std::string_view delta;  ///< encoded
    };
    std::string own_preimage;  ///< of the key that is explained, in the form that theirs have
    std::vector<Step> steps;   ///< the newest first
};

/// The most similar step of those that the store did last and of `elsewhere`, one that does the same before one that stands on the same, the
/// newest of equals; empty where none is about the same: a
/// step whose command (or source and destination) is another on other files is another step. A step with the same key
/// has no causes. `below` says what the step stands on: "the base image". Steps of this build are passed over, whose
/// preimages `is_of_this_build` knows: two commands that change nothing are not one that was edited.
std::optional<EarlierStep> most_similar_step(layerstore::Records& records, layerstore::MemoKind kind,
                                             const StepKey& key, std::string_view below,
                                             const std::function<bool(const std::string&)>& is_of_this_build,
                                             const ForeignSteps& elsewhere = {});

/// What a step came to; empty where its record is gone.
std::optional<layerstore::TreeDelta> result_of(const EarlierStep& step, layerstore::Records& records);

/// The paths that two results of a step differ in, in path order: "added /srv/a", "removed /srv/b", "changed /srv/c
/// (content)", "(mode)", "(owner)"; the first `limit` of them, then "and 7 more". Times do not count.
std::vector<std::string> differing_paths(const layerstore::TreeDelta& before, const layerstore::TreeDelta& after,
                                         std::size_t limit);

}  // namespace imgbuild::builder
