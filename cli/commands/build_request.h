// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a build was asked, as the store remembers it: enough to ask for it again, without the values of build arguments.

#include <string>
#include <vector>

#include "builder/plan/build_plan.h"
#include "builder/solve/solver.h"
#include "cli/builds/build_record.h"
#include "cli/commands/build_flags.h"
#include "cli/commands/build_input.h"
#include "cli/commands/build_options.h"

namespace imgbuild::cli {

/// BuildOptions::request.
std::vector<std::string> request_of(const BuildFlags& flags);

/// What a build took in, after it ended.
RecordedInputs recorded_inputs(const BuildOptions& options, const BuildInput& input, const builder::BuildPlan& plan,
                               const builder::Solved& solved);

/// The names of build arguments among recorded flags for which `arguments` has no value.
std::vector<std::string> missing_arguments(const std::vector<std::string>& request,
                                           const std::map<std::string, std::string>& arguments);

}  // namespace imgbuild::cli
