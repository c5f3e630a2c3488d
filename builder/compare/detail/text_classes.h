// SPDX-License-Identifier: Apache-2.0
#pragma once

// Things in a text that change from build to build, recognised by how they are written. Each function says how many
// bytes such a thing takes that begins at `at`, which lies in `text`; 0: none begins there.

#include <cstddef>
#include <string_view>

namespace imgbuild::builder::detail {

/// Dates, times of day, seconds since 1970.
std::size_t match_time(std::string_view text, std::size_t at);
/// UUIDs, hexadecimal ids, base64, the end of a name that mktemp made.
std::size_t match_random(std::string_view text, std::size_t at);
/// Absolute paths.
std::size_t match_path(std::string_view text, std::size_t at);
/// Decimal digits.
std::size_t match_number(std::string_view text, std::size_t at);

}  // namespace imgbuild::builder::detail
