// SPDX-License-Identifier: Apache-2.0
#pragma once

// From options, contexts and a plan to what the solver is told; for build, and for plan, which asks what it would do.

#include <string>
#include <vector>

#include "builder/plan/build_plan.h"
#include "builder/solve/solver.h"
#include "cli/commands/build_input.h"
#include "cli/commands/build_options.h"
#include "parser/buildfile/buildfile.h"

namespace imgbuild::cli {

/// `input` outlives what it gives. No goal is set. Error{usage} where --require-cached names a stage that is not there.
builder::SolveOptions solve_options_of(const BuildOptions& options, const BuildInput& input,
                                       const parser::Buildfile& buildfile, const builder::BuildPlan& plan);

/// A line for each stage of --no-cache-filter and each line of --no-cache where there is nothing to do again.
std::vector<std::string> warnings_of_no_cache(const BuildOptions& options, const BuildInput& input,
                                              const parser::Buildfile& buildfile, const builder::BuildPlan& plan);

}  // namespace imgbuild::cli
