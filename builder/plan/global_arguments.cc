// SPDX-License-Identifier: Apache-2.0
#include "builder/plan/global_arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace imgbuild::builder {
namespace {

// What a build argument may be called without an ARG: proxies reach every RUN, the others are settings of a build.
bool needs_no_argument(std::string_view name) {
    return to_lower(name).ends_with("_proxy") || name == "SOURCE_DATE_EPOCH" || name.starts_with("BUILDKIT_");
}

}  // namespace

std::string GlobalArguments::expand(const parser::Word& word, std::set<std::string>& read) {
    parser::Expansion expansion = parser::expand(word, values_);
    read.insert(expansion.read.begin(), expansion.read.end());
    if (expansion.error) diagnostics_.add(*expansion.error);
    return std::move(expansion.text);
}

void GlobalArguments::set(const parser::Stage& target) {
    set_predefined(target);
    set_declared();
}

void GlobalArguments::set_predefined(const parser::Stage& target) {
    auto set_platform = [&](const std::string& prefix, const layerstore::Platform& platform) {
        values_.set(prefix + "PLATFORM", platform.text());
        values_.set(prefix + "OS", platform.os);
        values_.set(prefix + "OSVERSION", platform.os_version);
        values_.set(prefix + "ARCH", platform.architecture);
        values_.set(prefix + "VARIANT", platform.variant);
    };
    set_platform("BUILD", request_.build_platform);
    set_platform("TARGET", request_.platform);
    values_.set("TARGETSTAGE", target.name().value_or("default"));
    std::vector<parser::Variable> predefined = values_.variables();
    for (const parser::Variable& variable : predefined) names_.insert(variable.name);
    for (const parser::Variable& variable : predefined)
        if (auto given = request_.build_args.find(variable.name); given != request_.build_args.end())
            values_.set(variable.name, given->second);
}

void GlobalArguments::set_declared() {
    for (const parser::Instruction& instruction : request_.buildfile.global_args) {
        for (const parser::ArgEntry& entry : std::get<parser::Arg>(instruction.body).entries) {
            GlobalArgument argument;
            argument.name = entry.name;
            argument.description = parser::description_of(instruction, entry.name);
            argument.span = entry.span;
            auto given = request_.build_args.find(entry.name);
            if (given != request_.build_args.end())
                values_.set(entry.name, given->second);
            else if (entry.default_value)
                values_.set(entry.name, expand(*entry.default_value, argument.read));
            else
                values_.declare(entry.name);
            if (auto value = values_.find(entry.name)) argument.value = *value;
            names_.insert(entry.name);
            arguments_.push_back(std::move(argument));
        }
    }
}

std::vector<PlannedArgument> GlobalArguments::used_with(const std::map<std::size_t, StageState>& stages) const {
    std::map<std::string, PlannedArgument> used;
    // Later stages stand nearer to the target, and the later one of two globals is what the others see.
    for (auto stage = stages.rbegin(); stage != stages.rend(); ++stage)
        for (const PlannedArgument& argument : stage->second.arguments) used.emplace(argument.name, argument);
    std::set<std::string> read = read_by_from_;
    for (auto global = arguments_.rbegin(); global != arguments_.rend(); ++global) {
        const auto inherited = used.find(global->name);
        if (inherited != used.end() && inherited->second.description.empty())
            inherited->second.description = global->description;
        if (inherited == used.end() && !read.contains(global->name)) continue;
        used.emplace(global->name, *global);
        read.insert(global->read.begin(), global->read.end());
    }
    std::vector<PlannedArgument> list;
    for (auto& [name, argument] : used) list.push_back(std::move(argument));
    std::ranges::sort(list, {}, [](const PlannedArgument& argument) { return argument.span.begin; });
    return list;
}

// Most often a name that is not spelt as its ARG, which would otherwise keep its default in silence.
std::vector<std::string> GlobalArguments::unused_build_args(const std::map<std::size_t, StageState>& stages) const {
    std::set<std::string> declared = names_;
    for (const auto& [index, state] : stages)
        for (const PlannedArgument& argument : state.arguments) declared.insert(argument.name);
    const std::vector<std::string> names(declared.begin(), declared.end());
    std::vector<std::string> warnings;
    for (const auto& [name, value] : request_.build_args) {
        if (declared.contains(name) || needs_no_argument(name)) continue;
        const std::optional<std::string> near = nearest(name, names);
        warnings.push_back(fmt::format("--build-arg {}: no ARG of the stages that are built declares it{}",
                                       printable(name), near ? "; did you mean " + printable(*near) + "?" : ""));
    }
    return warnings;
}

std::optional<std::string> GlobalArguments::default_epoch() const {
    const std::string name = "SOURCE_DATE_EPOCH";
    const std::optional<std::string_view> value = values_.find(name);
    if (!value || value->empty() || request_.build_args.contains(name)) return std::nullopt;
    return std::string(*value);
}

}  // namespace imgbuild::builder
