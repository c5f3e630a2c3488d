// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/solving.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::cli {
namespace {

std::vector<std::string> stage_names(const parser::Buildfile& buildfile) {
    std::vector<std::string> names;
    for (const parser::Stage& stage : buildfile.stages) names.push_back(to_lower(stage.display_name()));
    return names;
}

// A guard that names what is not there would guard nothing.
void require_stages(const std::vector<std::string>& wanted, const parser::Buildfile& buildfile) {
    const std::vector<std::string> names = stage_names(buildfile);
    for (const std::string& name : wanted) {
        if (std::ranges::find(names, name) != names.end()) continue;
        const std::optional<std::string> near = nearest(name, names);
        throw Error(ErrorKind::usage, fmt::format("--require-cached={}: there is no such stage", printable(name)),
                    near ? "did you mean " + printable(*near) + "?" : "the stages are " + join(names, ", "));
    }
}

bool stands_in(const builder::PlanNode& node, std::size_t line, const parser::Source& source) {
    return !node.span.empty() && source.line_of(node.span.begin) <= line && line <= source.line_of(node.span.end - 1);
}

}  // namespace

builder::SolveOptions solve_options_of(const BuildOptions& options, const BuildInput& input,
                                       const parser::Buildfile& buildfile, const builder::BuildPlan& plan) {
    builder::SolveOptions solve_options = options.solve;
    require_stages(solve_options.require_cached_stages, buildfile);
    solve_options.contexts = input.contexts;
    solve_options.locate = [&input](parser::Span span) {
        return fmt::format("{}:{}", input.source.name(), input.source.line_of(span.begin));
    };
    for (const std::size_t line : options.no_cache_lines)
        for (const builder::PlanNode& node : plan.nodes)
            if (stands_in(node, line, input.source)) solve_options.no_cache_spans.push_back(node.span);
    return solve_options;
}

std::vector<std::string> warnings_of_no_cache(const BuildOptions& options, const BuildInput& input,
                                              const parser::Buildfile& buildfile, const builder::BuildPlan& plan) {
    std::vector<std::string> warnings;
    const std::vector<std::string> names = stage_names(buildfile);
    for (const std::string& stage : options.solve.no_cache_stages)
        if (std::ranges::find(names, stage) == names.end())
            warnings.push_back(fmt::format("--no-cache-filter: there is no stage {}", printable(stage)));
    for (const std::size_t line : options.no_cache_lines)
        if (std::ranges::none_of(plan.nodes, [&](const builder::PlanNode& node) {
                return node.number != 0 && stands_in(node, line, input.source);
            }))
            warnings.push_back(fmt::format("--no-cache: no step of this build stands in line {}", line));
    return warnings;
}

}  // namespace imgbuild::cli
