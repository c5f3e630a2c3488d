// SPDX-License-Identifier: Apache-2.0
#pragma once

// From what the solver made to what was asked for: an image, its names, archives, directories, and the files that
// scripts read.

#include <optional>

#include "builder/plan/build_plan.h"
#include "builder/solve/solver.h"
#include "cli/commands/build_options.h"
#include "layerstore/image/image.h"
#include "layerstore/store/store.h"

namespace imgbuild::cli {

/// What the outputs of `options` need of the solver.
builder::SolveGoal goal_of(const BuildOptions& options);

/// The image, its documents in the store; empty where no output wants one.
std::optional<layerstore::Image> make_image(const BuildOptions& options, const builder::BuildPlan& plan,
                                            const builder::SolvedImage& solved, layerstore::Store& store);

/// Writes every output in the order in which they were given. `image` is null where no output wants one.
void deliver(const BuildOptions& options, const layerstore::Image* image, const builder::SolvedImage& solved,
             layerstore::Store& store);

/// Takes away what an earlier build left under --iidfile: a failed build leaves none.
void clear_report(const BuildOptions& options);
/// --iidfile and --metadata-file. `image` as for deliver().
void write_report(const BuildOptions& options, const layerstore::Image* image);

}  // namespace imgbuild::cli
