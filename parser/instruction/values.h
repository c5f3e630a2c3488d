// SPDX-License-Identifier: Apache-2.0
#pragma once

// Checks and readings of values that are known only after expansion. The parser calls them for values
// without variables, the planner for all. Each gives an error text that fits behind "INSTRUCTION: " or, where
// a value is read, the value.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace imgbuild::parser {

/// What is wrong with a value.
struct ValueError {
    std::string message;
    std::string hint;
};

struct PortRange {
    std::vector<std::string> ports;                   ///< "80/tcp", one for each port of the range
    std::optional<std::string> protocol_in_capitals;  ///< the check ExposeProtoCasing
    bool has_host_part = false;  ///< an address or a host port was given and dropped (ExposeInvalidFormat)
};
/// `[ip:][hostPort:]port[-end][/proto]`.
std::variant<PortRange, ValueError> parse_port_range(std::string_view text);

/// STOPSIGNAL: a number from 1 to 64 or a name, with or without SIG.
std::optional<ValueError> check_signal(std::string_view text);
/// --chmod: octal up to 07777, or the symbolic grammar of chmod(1).
std::optional<ValueError> check_chmod(std::string_view text);
/// --chown: `user[:group]`; a numeric id must be one (0 to 4294967294).
std::optional<ValueError> check_chown(std::string_view text);
/// --checksum of ADD: `algorithm:hex`, or a prefix of a commit's hash.
std::optional<ValueError> check_checksum(std::string_view text);

/// A source of COPY: what only ADD can fetch is an error.
std::optional<ValueError> check_copy_source(std::string_view text);

/// Go's spelling of a duration ("1m30s", "500ms"); empty when it is none or does not fit.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);
/// A size as docker writes it ("64m", "1.5g", "1024"); empty when it is none or does not fit.
std::optional<std::uint64_t> parse_size(std::string_view text);
/// Go's ParseBool: 1 t T TRUE true True 0 f F FALSE false False.
std::optional<bool> parse_bool(std::string_view text);
/// An octal number up to `max`.
std::optional<std::uint32_t> parse_octal(std::string_view text, std::uint32_t max);

/// True for what ADD fetches over HTTP(S) or with git, by its form alone.
bool is_http_url(std::string_view source);
bool is_git_url(std::string_view source);

}  // namespace imgbuild::parser
