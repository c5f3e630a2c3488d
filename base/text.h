// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small work on text that people see: foreign strings made safe to print, spelling suggestions, sizes and
// durations, numbers in words of the user's.

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild {

/// `text` with every control character (C0, C1, DEL), bidirectional override and invalid UTF-8 byte written
/// as an escape, so that no foreign string can drive a terminal.
std::string printable(std::string_view text);

/// The candidate nearest to `word` by edit distance (at most a third of its length, at least one edit is
/// allowed), without regard to case; empty when none is near.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string_view> candidates);
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);

/// "512 B", "1.5 MiB", …
std::string human_size(std::uint64_t bytes);
/// "0.4s", "12.3s", "2m03s".
std::string human_duration(std::chrono::nanoseconds duration);
/// "1 layer", "2 layers".
std::string counted(std::uint64_t count, std::string_view singular, std::string_view plural);

/// RFC 3339 in UTC with seconds, "1980-01-02T00:00:00Z".
std::string rfc3339(std::int64_t unix_seconds);

/// `text` cut at each `separator`; an empty text gives one empty part.
std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text) noexcept;  ///< ASCII blanks off both ends
std::string to_lower(std::string_view text);            ///< ASCII only
std::string join(std::span<const std::string> parts, std::string_view separator);

/// The fields of one CSV line (RFC 4180 quoting), as buildx flags use it. Error{usage} for a stray quote.
std::vector<std::string> split_csv(std::string_view line);

/// What a file from a URL is called: the last part of the URL's path, percent-decoded; "__unnamed__" where that is
/// empty or could not be a file's name.
std::string file_name_of_url_path(std::string_view path);

/// A whole decimal number without sign, range-checked; empty when it is not one.
std::optional<std::uint64_t> parse_unsigned(std::string_view text) noexcept;

}  // namespace imgbuild
