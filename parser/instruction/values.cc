// SPDX-License-Identifier: Apache-2.0
#include "parser/instruction/values.h"

#include "base/ascii.h"
#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace imgbuild::parser {
namespace {

bool all_digits(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_digit); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_name(char c) { return is_digit(c) || is_letter(c) || c == '-' || c == '_'; }

/// The names of Linux without SIG; RTMIN+n and RTMAX-n are read apart.
constexpr std::array<std::string_view, 37> signal_names{
    "ABRT", "ALRM", "BUS",  "CHLD", "CLD",    "CONT",  "FPE",    "HUP",  "ILL",   "INT",   "IO",    "IOT",  "KILL",
    "PIPE", "POLL", "PROF", "PWR",  "QUIT",   "SEGV",  "STKFLT", "STOP", "SYS",   "TERM",  "TRAP",  "TSTP", "TTIN",
    "TTOU", "URG",  "USR1", "USR2", "VTALRM", "WINCH", "XCPU",   "XFSZ", "RTMIN", "RTMAX", "UNUSED"};

bool is_real_time_signal(std::string_view name) {
    const bool from_min = name.starts_with("RTMIN+");
    if (!from_min && !name.starts_with("RTMAX-")) return false;
    const std::optional<std::uint64_t> offset = parse_unsigned(name.substr(6));
    return offset && *offset <= (from_min ? 15 : 14);
}

/// One clause of chmod(1)'s symbolic grammar: who, then operators with their permissions.
bool is_chmod_clause(std::string_view clause) {
    std::size_t at = std::min(clause.find_first_not_of("ugoa"), clause.size());
    if (at == clause.size()) return false;
    while (at < clause.size()) {
        if (std::string_view("+-=").find(clause[at]) == std::string_view::npos) return false;
        at = std::min(clause.find_first_not_of("rwxXstugo", at + 1), clause.size());
    }
    return true;
}

std::optional<ValueError> check_owner_part(std::string_view part) {
    constexpr std::uint64_t largest_id = 4294967294;  // one below the id that means "leave it"
    if (part.empty() || part.find_first_not_of("0123456789-") != std::string_view::npos) return std::nullopt;
    const std::optional<std::uint64_t> id = parse_unsigned(part);
    if (id && *id <= largest_id) return std::nullopt;
    return ValueError{fmt::format("invalid id {}", part), fmt::format("ids go from 0 to {}", largest_id)};
}

}  // namespace

std::optional<ValueError> check_signal(std::string_view text) {
    std::string name(trim(text));
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    if (all_digits(name)) {
        const std::optional<std::uint64_t> number = parse_unsigned(name);
        if (number && *number >= 1 && *number <= 64) return std::nullopt;
        return ValueError{fmt::format("invalid signal: {}", text), "signal numbers go from 1 to 64"};
    }
    if (name.starts_with("SIG")) name.erase(0, 3);
    if (std::ranges::find(signal_names, name) != signal_names.end() || is_real_time_signal(name)) return std::nullopt;
    const std::optional<std::string> near = nearest(name, signal_names);
    return ValueError{fmt::format("invalid signal: {}", text), near ? fmt::format("did you mean SIG{}?", *near) : ""};
}

std::optional<ValueError> check_chmod(std::string_view text) {
    const bool octal = all_digits(text);
    if (octal ? parse_octal(text, 07777).has_value() : std::ranges::all_of(split(text, ','), is_chmod_clause))
        return std::nullopt;
    return ValueError{
        fmt::format("invalid chmod parameter: '{}'. it should be octal string and between 0 and 07777", text),
        "symbolic modes such as u=rw,go=r or a+X work too"};
}

std::optional<ValueError> check_chown(std::string_view text) {
    const std::size_t colon = text.find(':');
    if (std::optional<ValueError> error = check_owner_part(text.substr(0, colon))) return error;
    return colon == std::string_view::npos ? std::nullopt : check_owner_part(text.substr(colon + 1));
}

std::optional<ValueError> check_checksum(std::string_view text) {
    const std::size_t colon = text.find(':');
    const std::string_view hex = colon == std::string_view::npos ? text : text.substr(colon + 1);
    const bool is_hexadecimal = !hex.empty() && std::ranges::all_of(hex, is_hex);
    if (colon == std::string_view::npos) {
        if (is_hexadecimal && hex.size() <= 64) return std::nullopt;
        return ValueError{fmt::format("invalid checksum: {}", text),
                          "write sha256:HEX for a file, a commit's hash for git"};
    }
    if (text.substr(0, colon) != "sha256") {
        return ValueError{fmt::format("unsupported digest algorithm: {}", text.substr(0, colon)),
                          "only sha256 is supported"};
    }
    if (is_hexadecimal && hex.size() == 64) return std::nullopt;
    return ValueError{fmt::format("invalid checksum: {}", text), "a sha256 has 64 hexadecimal digits"};
}

std::optional<ValueError> check_copy_source(std::string_view text) {
    if (is_git_url(text)) return ValueError{"source can't be a git ref for COPY", "ADD can fetch from git"};
    if (is_http_url(text)) return ValueError{"source can't be a URL for COPY", "ADD can fetch a URL"};
    return std::nullopt;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    const std::size_t number_end = std::min(text.find_first_not_of("0123456789."), text.size());
    const std::string number(text.substr(0, number_end));
    std::string unit = to_lower(trim(text.substr(number_end)));
    if (number.empty() || std::ranges::count(number, '.') > 1 || number == ".") return std::nullopt;
    if (unit.ends_with('b')) unit.pop_back();
    if (unit.size() == 2 && unit.ends_with('i')) unit.pop_back();
    const std::size_t power = unit.empty() ? 0 : std::string_view(" kmgtp").find(unit.front());
    if (unit.size() > 1 || power == std::string_view::npos) return std::nullopt;
    // Whole numbers exactly, fractions as doubles, as docker does.
    if (const std::optional<std::uint64_t> whole = parse_unsigned(number)) {
        const std::uint64_t limit = std::numeric_limits<std::int64_t>::max() >> (10 * power);
        return *whole <= limit ? std::optional(*whole << (10 * power)) : std::nullopt;
    }
    if (number.find('.') == std::string::npos || number.size() > 32) return std::nullopt;
    const double bytes = std::stod(number) * std::pow(1024.0, static_cast<double>(power));
    if (bytes >= static_cast<double>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
    return static_cast<std::uint64_t>(bytes);
}

std::optional<bool> parse_bool(std::string_view text) {
    constexpr std::array<std::string_view, 6> yes{"1", "t", "T", "TRUE", "true", "True"};
    constexpr std::array<std::string_view, 6> no{"0", "f", "F", "FALSE", "false", "False"};
    if (std::ranges::find(yes, text) != yes.end()) return true;
    if (std::ranges::find(no, text) != no.end()) return false;
    return std::nullopt;
}

std::optional<std::uint32_t> parse_octal(std::string_view text, std::uint32_t max) {
    if (text.empty()) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '7') return std::nullopt;
        value = value * 8 + static_cast<std::uint64_t>(c - '0');
        if (value > max) return std::nullopt;
    }
    return static_cast<std::uint32_t>(value);
}

bool is_http_url(std::string_view source) {
    const std::string scheme = to_lower(source.substr(0, 8));
    return scheme.starts_with("http://") || scheme.starts_with("https://");
}

bool is_git_url(std::string_view source) {
    if (source.starts_with("git://") || source.starts_with("ssh://")) return true;
    if (is_http_url(source)) return source.substr(0, source.find_first_of("?#")).ends_with(".git");
    const std::size_t at_sign = source.find('@');
    if (at_sign == std::string_view::npos || at_sign == 0 || !std::ranges::all_of(source.substr(0, at_sign), is_name))
        return false;
    const std::size_t host_end = source.find_first_of("/:@", at_sign + 1);
    return host_end != std::string_view::npos && host_end > at_sign + 1 && source[host_end] == ':' &&
           host_end + 1 < source.size();
}

}  // namespace imgbuild::parser
