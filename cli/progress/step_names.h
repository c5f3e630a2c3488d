// SPDX-License-Identifier: Apache-2.0
#pragma once

// How people call the nodes of a plan.

#include <string>

#include "builder/plan/build_plan.h"

namespace imgbuild::cli {

/// "[compile 2/5] RUN make"; "[2/5] RUN make" where the plan has one stage only; "[linux/arm64 compile 2/5] RUN make"
/// where it has several images; the label alone for what is no step. One safe line.
std::string step_name(const builder::BuildPlan& plan, builder::NodeId node);
/// The same for what outlives the build: variables by their names, so that no value of a build argument is in it.
std::string kept_step_name(const builder::BuildPlan& plan, builder::NodeId node);

}  // namespace imgbuild::cli
