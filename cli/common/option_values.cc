// SPDX-License-Identifier: Apache-2.0
#include "cli/common/option_values.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/error.h"
#include "base/text.h"
#include "parser/instruction/values.h"

namespace imgbuild::cli {
namespace {

// Days are no unit of the language's durations.
std::optional<std::int64_t> parse_days(std::string_view text) {
    if (!text.ends_with('d')) return std::nullopt;
    const std::optional<std::uint64_t> days = parse_unsigned(text.substr(0, text.size() - 1));
    if (!days || *days > 100'000) return std::nullopt;
    return static_cast<std::int64_t>(*days) * 86'400;
}

bool is_address(const std::string& text) {
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    return ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
           ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

// As setrlimit(2) knows them.
constexpr std::array<std::string_view, 16> limit_names{"as",      "core",     "cpu",        "data",   "fsize", "locks",
                                                       "memlock", "msgqueue", "nice",       "nofile", "nproc", "rss",
                                                       "rtprio",  "rttime",   "sigpending", "stack"};

}  // namespace

void refuse_value(std::string_view flag, std::string_view text, std::string_view why, std::string hint) {
    throw Error(ErrorKind::usage, fmt::format("{}: {}: {}", flag, printable(text), why), std::move(hint));
}

std::uint64_t parse_size(std::string_view text, std::string_view flag) {
    const std::optional<std::uint64_t> size = parser::parse_size(text);
    if (!size) refuse_value(flag, text, "no size", "write a number and k, m, g or t, as in 64m");
    return *size;
}

std::int64_t parse_seconds(std::string_view text, std::string_view flag) {
    if (const std::optional<std::int64_t> days = parse_days(text)) return *days;
    const std::optional<std::chrono::nanoseconds> duration = parser::parse_duration(text);
    if (!duration || *duration < std::chrono::nanoseconds{0})
        refuse_value(flag, text, "no duration", "write it as in 90s, 24h or 7d");
    return std::chrono::duration_cast<std::chrono::seconds>(*duration).count();
}

std::pair<std::string, std::string> parse_pair(std::string_view text, std::string_view flag) {
    const std::size_t equals = text.find('=');
    if (text.empty() || equals == 0) refuse_value(flag, text, "a name is missing", "write NAME=VALUE");
    if (equals == std::string_view::npos) return {std::string(text), ""};
    return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

CsvFields parse_csv_fields(std::string_view text, std::string_view flag) {
    CsvFields fields;
    for (const std::string& field : with_context(flag, [&] { return split_csv(text); })) {
        const std::size_t equals = field.find('=');
        if (equals == std::string::npos) {
            fields.bare.push_back(field);
            continue;
        }
        // Behind a dot stand names of the user's.
        const std::string_view whole = trim(std::string_view(field).substr(0, equals));
        const std::size_t dot = std::min(whole.find('.'), whole.size());
        const std::string key = to_lower(whole.substr(0, dot)) + std::string(whole.substr(dot));
        if (!fields.values.emplace(key, field.substr(equals + 1)).second)
            refuse_value(flag, text, fmt::format("{} stands there twice", printable(key)));
    }
    return fields;
}

std::optional<std::string> take(CsvFields& fields, const std::string& key) {
    auto node = fields.values.extract(key);
    return node ? std::optional(std::move(node.mapped())) : std::nullopt;
}

std::optional<bool> take_bool(CsvFields& fields, const std::string& key, std::string_view flag) {
    if (std::erase(fields.bare, key) > 0) return true;
    const std::optional<std::string> text = take(fields, key);
    if (!text) return std::nullopt;
    const std::optional<bool> value = parser::parse_bool(*text);
    if (!value) refuse_value(flag, key + "=" + *text, "expected true or false");
    return value;
}

void refuse_others(const CsvFields& fields, const std::vector<std::string_view>& known, std::string_view flag) {
    std::string other;
    if (!fields.bare.empty()) other = fields.bare.front();
    if (!fields.values.empty()) other = fields.values.begin()->first;
    if (fields.values.empty() && fields.bare.empty()) return;
    const std::optional<std::string> near = nearest(other, known);
    refuse_value(flag, other, "no such key", near ? fmt::format("did you mean {}?", *near) : "");
}

std::vector<std::pair<std::string, std::string>> parse_added_host(std::string_view text) {
    const std::size_t cut = text.find_first_of("=:");
    if (cut == std::string_view::npos || cut == 0)
        refuse_value("--add-host", text, "no host and address", "write HOST:ADDRESS");
    std::vector<std::pair<std::string, std::string>> hosts;
    for (std::string_view part : split(text.substr(cut + 1), ',')) {
        if (part.starts_with('[') && part.ends_with(']')) part = part.substr(1, part.size() - 2);
        if (!is_address(std::string(part))) refuse_value("--add-host", part, "no address of IPv4 or IPv6");
        hosts.emplace_back(text.substr(0, cut), part);
    }
    return hosts;
}

builder::ResourceLimit parse_limit(std::string_view text) {
    const auto [name, values] = parse_pair(text, "--ulimit");
    if (std::ranges::find(limit_names, name) == limit_names.end()) {
        const std::optional<std::string> near = nearest(name, limit_names);
        refuse_value("--ulimit", name, "no such limit", near ? fmt::format("did you mean {}?", *near) : "");
    }
    const auto number = [&](std::string_view part) -> std::uint64_t {
        if (part == "-1") return RLIM_INFINITY;
        const std::optional<std::uint64_t> value = parse_unsigned(part);
        if (!value) refuse_value("--ulimit", text, "no number", "write NAME=SOFT[:HARD]");
        return *value;
    };
    const std::size_t colon = values.find(':');
    builder::ResourceLimit limit{name, number(std::string_view(values).substr(0, colon)), 0};
    limit.hard = colon == std::string::npos ? limit.soft : number(std::string_view(values).substr(colon + 1));
    if (limit.soft > limit.hard) refuse_value("--ulimit", text, "the soft limit is above the hard one");
    return limit;
}

}  // namespace imgbuild::cli
