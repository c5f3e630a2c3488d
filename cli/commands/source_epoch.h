// SPDX-License-Identifier: Apache-2.0
#pragma once

// SOURCE_DATE_EPOCH: from each of its forms to the number that the plan and the layers are given.

#include <optional>

#include "builder/plan/planner.h"
#include "cli/commands/build_input.h"
#include "cli/commands/build_options.h"
#include "parser/buildfile/buildfile.h"

namespace imgbuild::cli {

/// Settles the file time, then plans as plan_input(). The time is that of --created=git, else of the build argument
/// (which an output's source-date-epoch has replaced), else of the default that an ARG before the first FROM has: a
/// number; "context", the main context's time; the name of a context or of a stage that only adds one remote source.
/// What has no time, as a directory, sets none. Afterwards the build argument is the number, or empty. A context that
/// is brought for this is kept in `input`. Error{usage} for what is none of these, with its place where it is a stage;
/// those of load_context(). `lease` may be null where nothing can be brought.
std::optional<builder::PlanResult> plan_with_time(BuildOptions& options, const parser::Buildfile& buildfile,
                                                  BuildInput& input, layerstore::Store& store,
                                                  layerstore::Store::Lease* lease);

}  // namespace imgbuild::cli
