// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a build would find and what it would do, by looking and without doing: no command is run, nothing is fetched,
// no result is kept. Contexts are read, because keys are made of their content.

#include <string>
#include <vector>

#include "builder/solve/solver.h"

namespace imgbuild::builder {

enum class Foreseen {
    cached,  ///< the store has its result
    done,    ///< it will be done
    open,    ///< it depends on what something before it comes to: it is found if that is as it was
};

struct Prediction {
    Foreseen foreseen = Foreseen::open;
    std::vector<std::string> causes;  ///< why it will be done, or why nobody can tell; lines for people
};

/// One for each node of the plan, in their order. What lies elsewhere counts as it was last seen. The store is
/// writable: the index of the contexts is kept there.
std::vector<Prediction> predict(const BuildPlan& plan, const SolveOptions& options, layerstore::Store& store,
                                layerstore::Store::Lease& lease);

}  // namespace imgbuild::builder
