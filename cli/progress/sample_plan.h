// SPDX-License-Identifier: Apache-2.0
#pragma once

// A plan for the tests of renderers: a context, and two stages with a step each. Not part of the library.

#include <chrono>
#include <string>
#include <utility>

#include "builder/plan/build_plan.h"

namespace imgbuild::cli::test {

inline builder::PlanNode step(std::string label, std::string stage, std::size_t number) {
    builder::PlanNode node;
    node.label = std::move(label);
    node.stage = std::move(stage);
    node.number = number;
    node.step_count = 2;
    return node;
}

inline builder::BuildPlan sample_plan() {
    builder::BuildPlan plan;
    plan.nodes.push_back(step("load build context", "", 0));
    plan.nodes.push_back(step("RUN make", "compile", 1));
    plan.nodes.push_back(step("COPY --from=compile /a /a", "stage-1", 2));
    return plan;
}

/// A clock that a test moves, and what was written.
struct Stage {
    std::chrono::nanoseconds now{};
    std::string written;

    void pass(int milliseconds) { now += std::chrono::milliseconds(milliseconds); }
    std::string take() { return std::exchange(written, {}); }
};

}  // namespace imgbuild::cli::test
