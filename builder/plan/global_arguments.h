// SPDX-License-Identifier: Apache-2.0
#pragma once

// The arguments that stand before the first FROM, with those that a build predefines: what they are worth, and which of
// them a plan came to use. For this folder only.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "builder/plan/planner.h"
#include "builder/plan/stage_planner.h"
#include "parser/buildfile/buildfile.h"
#include "parser/lexer/environment.h"

namespace imgbuild::builder {

class GlobalArguments {
  public:
    /// `request` and `diagnostics` are borrowed.
    GlobalArguments(const PlanRequest& request, parser::Diagnostics& diagnostics)
        : request_(request), diagnostics_(diagnostics) {}

    /// Gives each its value; `target` is the stage that is built. Faults go to the diagnostics.
    void set(const parser::Stage& target);
    const parser::Environment& values() const noexcept { return values_; }
    /// A word of a FROM line of a planned stage; what it reads counts as used.
    std::string expand_from(const parser::Word& word) { return expand(word, read_by_from_); }

    /// BuildPlan::arguments: those of the planned `stages`, and the global ones that these or a FROM read.
    std::vector<PlannedArgument> used_with(const std::map<std::size_t, StageState>& stages) const;
    /// A warning for each build argument that nothing of the planned `stages` declares.
    std::vector<std::string> unused_build_args(const std::map<std::size_t, StageState>& stages) const;
    /// PlanResult::default_epoch.
    std::optional<std::string> default_epoch() const;

  private:
    struct GlobalArgument : PlannedArgument {
        std::set<std::string> read;  // names that its default took a value from
    };

    void set_predefined(const parser::Stage& target);
    void set_declared();
    std::string expand(const parser::Word& word, std::set<std::string>& read);

    const PlanRequest& request_;
    parser::Diagnostics& diagnostics_;
    parser::Environment values_;
    std::set<std::string> names_;  // predefined ones, and those of ARGs before the first FROM
    std::vector<GlobalArgument> arguments_;
    std::set<std::string> read_by_from_;
};

}  // namespace imgbuild::builder
