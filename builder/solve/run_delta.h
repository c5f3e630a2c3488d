// SPDX-License-Identifier: Apache-2.0
#pragma once

// From what stands in a sandbox after a command to the result of its step: a pure function.

#include "builder/cache/step_times.h"
#include "layerstore/tree/tree.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::builder {

struct RunDeltaRules {
    StepTimes times;
    /// The command saw files of contexts at the times when they were first seen, and not at those that `root` says.
    bool saw_first_seen_times = false;
    bool scrub = false;  ///< SolveOptions::scrub
};

struct RunDelta {
    layerstore::TreeDelta delta;
    std::size_t scrubbed = 0;  ///< files that were taken away
};

/// What `changes` (RunResult::changes()) come to on `root`: normalised, complete for it, and with the times that results
/// have. Where files keep their times, one that was touched and nothing else is part of it; a directory is not, whose
/// time follows from what happens in it.
RunDelta run_delta(const layerstore::TreeDelta& changes, const layerstore::Tree& root, const RunDeltaRules& rules);

}  // namespace imgbuild::builder
