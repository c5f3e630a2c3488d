// SPDX-License-Identifier: Apache-2.0
#pragma once

// The small languages that values of flags are written in. Each throws Error{usage} that names the text and what is
// expected; `flag` is how errors call it.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "builder/sandbox/run_spec.h"

namespace imgbuild::cli {

/// Error{usage} "FLAG: TEXT: WHY".
[[noreturn]] void refuse_value(std::string_view flag, std::string_view text, std::string_view why,
                               std::string hint = {});

/// "64m", "1.5g", "4096": bytes, as docker reads them.
std::uint64_t parse_size(std::string_view text, std::string_view flag);

/// "24h", "1h30m", "90s", and days as "7d": whole seconds.
std::int64_t parse_seconds(std::string_view text, std::string_view flag);

/// "NAME=VALUE"; without "=" the value is empty. The name is not.
std::pair<std::string, std::string> parse_pair(std::string_view text, std::string_view flag);

/// One CSV line of "key=value" fields, keys in lower case (but what stands behind a dot), none twice; a field without "=" has an empty value and is
/// told apart by `bare`.
struct CsvFields {
    std::map<std::string, std::string> values;
    std::vector<std::string> bare;
};
CsvFields parse_csv_fields(std::string_view text, std::string_view flag);

/// A field of parse_csv_fields() that is taken away; empty when it is not there.
std::optional<std::string> take(CsvFields& fields, const std::string& key);
/// As take(), "true", "false", "1" or "0"; without a value true.
std::optional<bool> take_bool(CsvFields& fields, const std::string& key, std::string_view flag);
/// Error{usage} for a field that nobody took, with the nearest of `known`.
void refuse_others(const CsvFields& fields, const std::vector<std::string_view>& known, std::string_view flag);

/// "HOST:ADDRESS" or "HOST=ADDRESS", IPv6 also in brackets; several addresses with commas give several entries.
std::vector<std::pair<std::string, std::string>> parse_added_host(std::string_view text);

/// "nofile=1024[:2048]"; -1 is no limit.
builder::ResourceLimit parse_limit(std::string_view text);

}  // namespace imgbuild::cli
