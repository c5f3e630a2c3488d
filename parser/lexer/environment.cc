// SPDX-License-Identifier: Apache-2.0
#include "parser/lexer/environment.h"

#include "base/text.h"

namespace imgbuild::parser {

Environment::Environment(std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
    for (const auto& [name, value] : values) set(name, std::string(value));
}

Variable& Environment::entry(std::string_view name) {
    if (const auto known = index_.find(name); known != index_.end()) return variables_[known->second];
    index_.emplace(std::string(name), variables_.size());
    return variables_.emplace_back(Variable{std::string(name), std::nullopt});
}

void Environment::set(std::string_view name, std::string value) { entry(name).value = std::move(value); }

void Environment::declare(std::string_view name) { entry(name); }

std::optional<std::string_view> Environment::find(std::string_view name) const {
    const auto known = index_.find(name);
    if (known == index_.end() || !variables_[known->second].value) return std::nullopt;
    return *variables_[known->second].value;
}

bool Environment::declares(std::string_view name) const { return index_.contains(name); }

std::optional<std::string> Environment::nearest_name(std::string_view name) const {
    std::vector<std::string_view> names;
    names.reserve(variables_.size());
    for (const Variable& variable : variables_) names.push_back(variable.name);
    return nearest(name, names);
}

}  // namespace imgbuild::parser
