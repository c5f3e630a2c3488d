// SPDX-License-Identifier: Apache-2.0
#include "layerstore/image/detail/document.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::layerstore::detail {
namespace {

int base64_value(char c) noexcept {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
}

bool is_hex(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

void refuse(std::string_view what, std::string_view reason) {
    throw Error(ErrorKind::invalid_input, fmt::format("{}: {}", what, reason));
}

std::string place(std::string_view what, std::string_view member) {
    return fmt::format("{}{}{}", what, what.find(": ") == std::string_view::npos ? ": " : ".", member);
}

void require_object(const Json& value, std::string_view what) {
    if (!value.is_object()) refuse(what, "expected an object");
}

void require_schema_version(const Json& document, std::string_view what) {
    std::int64_t version = required_integer(document, "schemaVersion", what);
    if (version != 2) refuse(place(what, "schemaVersion"), fmt::format("{} and not 2", version));
}

std::map<std::string, std::string> string_map(const Json& object, std::string_view member, std::string_view what) {
    std::map<std::string, std::string> map;
    const Json* found = optional_object(object, member, what);
    if (!found) return map;
    for (const auto& [key, value] : found->items()) {
        if (!value.is_string()) refuse(place(place(what, member), printable(key)), "expected a string");
        map.emplace(key, value.get<std::string>());
    }
    return map;
}

std::optional<std::vector<std::string>> string_list(const Json& object, std::string_view member,
                                                    std::string_view what) {
    const Json* found = optional_array(object, member, what);
    if (!found) return std::nullopt;
    std::vector<std::string> list;
    for (const Json& value : *found) {
        if (!value.is_string()) refuse(place(what, fmt::format("{}[{}]", member, list.size())), "expected a string");
        list.push_back(value.get<std::string>());
    }
    return list;
}

std::vector<std::string> string_set(const Json& object, std::string_view member, std::string_view what) {
    std::vector<std::string> names;
    if (const Json* found = optional_object(object, member, what))
        for (const auto& item : found->items()) names.push_back(item.key());
    std::sort(names.begin(), names.end());
    return names;
}

Digest to_digest(std::string_view text, std::string_view what) {
    if (auto digest = Digest::parse(text)) return *digest;
    if (text.starts_with("sha512:") && text.size() == 7 + 128 && is_hex(text.substr(7)))
        throw Error(ErrorKind::unsupported, fmt::format("{}: sha512 is not supported", what));
    refuse(what, fmt::format("\"{}\" is not \"sha256:\" and 64 hexadecimal digits", printable(text.substr(0, 200))));
}

std::string members_but(const Json& object, std::initializer_list<std::string_view> known, std::string_view what) {
    if (object.size() > known.size() + max_other_members)
        refuse(what, fmt::format("more than {} members that are not known", max_other_members));
    Json others = Json::object();
    for (const auto& [key, value] : object.items())
        if (std::find(known.begin(), known.end(), key) == known.end()) others[key] = value;
    return others.empty() ? std::string() : others.dump();
}

Json join_members(Json known, const std::string& others, std::initializer_list<std::string_view> order) {
    const Json kept = others.empty() ? Json::object() : Json::parse(others);
    for (const auto& [key, value] : kept.items()) known[key] = value;
    Json sorted = Json::object();
    for (std::string_view name : order)
        if (auto found = known.find(std::string(name)); found != known.end()) sorted[found.key()] = *found;
    for (auto& [key, value] : known.items())
        if (!sorted.contains(key)) sorted[key] = value;
    return sorted;
}

std::optional<std::string> decode_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
    std::string bytes;
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        int value = i >= text.size() - padding ? 0 : base64_value(text[i]);
        if (value < 0) return std::nullopt;
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        if (i % 4 != 3) continue;
        for (int shift : {16, 8, 0}) bytes += static_cast<char>(bits >> shift & 0xff);
    }
    bytes.resize(bytes.size() - padding);
    return bytes;
}

}  // namespace imgbuild::layerstore::detail
