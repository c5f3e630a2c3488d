// SPDX-License-Identifier: Apache-2.0
#pragma once

// The document that `imgbuild plan` prints: the target, its config, and every node in an order in which it can be
// evaluated. Bytes that are no UTF-8 appear as escapes.

#include <nlohmann/json_fwd.hpp>

#include "builder/plan/build_plan.h"

namespace imgbuild::cli {

nlohmann::ordered_json plan_to_json(const builder::BuildPlan& plan);

}  // namespace imgbuild::cli
