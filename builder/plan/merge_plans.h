// SPDX-License-Identifier: Apache-2.0
#pragma once

// From plans of one Buildfile for several platforms to one plan with an image for each.

#include <vector>

#include "builder/plan/build_plan.h"

namespace imgbuild::builder {

/// What several of `plans`, which are not empty, do alike is one node: a stage that runs on the build's platform and
/// reads nothing of the target's is built once. What is not about nodes is taken from the first plan.
BuildPlan merge_plans(std::vector<BuildPlan> plans);

}  // namespace imgbuild::builder
