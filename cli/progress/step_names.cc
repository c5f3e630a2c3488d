// SPDX-License-Identifier: Apache-2.0
#include "cli/progress/step_names.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/progress/output_lines.h"

namespace imgbuild::cli {

namespace {

std::string name_with(const builder::BuildPlan& plan, const builder::PlanNode& step, const std::string& text) {
    const std::string label = safe_line(text);
    if (step.number == 0) return label;
    const bool one_stage = std::ranges::all_of(
        plan.nodes, [&](const builder::PlanNode& other) { return other.number == 0 || other.stage == step.stage; });
    const bool has_platform = plan.images.size() > 1 && !step.platform.empty();
    const std::string platform = has_platform ? safe_line(step.platform) + " " : "";
    const std::string stage = one_stage ? "" : safe_line(step.stage) + " ";
    return fmt::format("[{}{}{}/{}] {}", platform, stage, step.number, step.step_count, label);
}

}  // namespace

std::string step_name(const builder::BuildPlan& plan, builder::NodeId node) {
    return name_with(plan, plan.nodes[node], plan.nodes[node].label);
}

std::string kept_step_name(const builder::BuildPlan& plan, builder::NodeId node) {
    const builder::PlanNode& step = plan.nodes[node];
    return name_with(plan, step, step.written.empty() ? step.label : step.written);
}

}  // namespace imgbuild::cli
