// SPDX-License-Identifier: Apache-2.0
#pragma once

// A plan as a document, which `imgbuild plan` prints and provenance quotes: the target, its config, and every node in an
// order in which it can be evaluated. Bytes that are no UTF-8 appear as escapes.

#include <nlohmann/json_fwd.hpp>

#include "builder/plan/build_plan.h"

namespace imgbuild::builder {

/// One node, its inputs by their numbers; values of proxies and secrets are not in it.
nlohmann::ordered_json node_to_json(const PlanNode& node, NodeId id);

nlohmann::ordered_json plan_to_json(const BuildPlan& plan);

}  // namespace imgbuild::builder
