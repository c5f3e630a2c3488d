// SPDX-License-Identifier: Apache-2.0
#pragma once

// Classes of characters that, unlike those of <cctype>, do not depend on the locale and take any char.

namespace imgbuild {

/// Space, tab, line feed, vertical tab, form feed, carriage return.
constexpr bool is_blank(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace imgbuild
