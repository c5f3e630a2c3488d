// SPDX-License-Identifier: Apache-2.0
#include "fetch/registries/toml_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace imgbuild::fetch {
namespace {

Json json_of(const toml::node& node);

// The library sorts members by name; the place in the text is what hosts.toml orders its hosts by.
Json json_of_table(const toml::table& table) {
    using Member = std::pair<std::string, const toml::node*>;
    std::vector<Member> members;
    for (const auto& [key, value] : table) members.emplace_back(std::string(key.str()), &value);
    std::ranges::stable_sort(members, {}, [](const Member& member) {
        const toml::source_position& begin = member.second->source().begin;
        return std::tuple(begin.line, begin.column);
    });
    Json object = Json::object();
    for (const auto& [name, value] : members) object[name] = json_of(*value);
    return object;
}

std::string text_of_time(const toml::node& node) {
    std::ostringstream text;
    node.visit([&](const auto& value) {
        if constexpr (toml::is_value<decltype(value)>) text << value.get();
    });
    return text.str();
}

Json json_of(const toml::node& node) {
    if (const toml::table* table = node.as_table()) return json_of_table(*table);
    if (const toml::array* array = node.as_array()) {
        Json list = Json::array();
        for (const toml::node& one : *array) list.push_back(json_of(one));
        return list;
    }
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return number->get();
    if (const auto* number = node.as_floating_point()) return number->get();
    if (const auto* answer = node.as_boolean()) return answer->get();
    return text_of_time(node);
}

}  // namespace

Json parse_toml(std::string_view text, const std::string& name) {
    try {
        return json_of_table(toml::parse(text));
    } catch (const toml::parse_error& error) {
        const toml::source_position& place = error.source().begin;
        throw Error(ErrorKind::invalid_input, fmt::format("{}:{}:{}: {}", printable(name), place.line, place.column,
                                                          printable(error.description())));
    }
}

}  // namespace imgbuild::fetch
