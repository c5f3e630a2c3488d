// SPDX-License-Identifier: Apache-2.0
#include "parser/instruction/values.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace imgbuild::parser {
namespace {

constexpr std::array<std::pair<std::string_view, std::int64_t>, 8> units{{
    {"ns", 1},
    {"us", 1'000},
    {"\xC2\xB5s", 1'000},  // micro sign
    {"\xCE\xBCs", 1'000},  // Greek mu
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
    {"m", 60'000'000'000},
    {"h", 3'600'000'000'000},
}};

/// Takes decimal digits off the front; false when there are none or the value does not fit.
bool take_number(std::string_view& text, std::int64_t& value, std::size_t& digits) {
    value = 0;
    digits = 0;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text.front() - '0', &value))
            return false;
        text.remove_prefix(1);
        ++digits;
    }
    return true;
}

/// Takes a unit off the front; 0 when there is none. "ms" is tried before "m".
std::int64_t take_unit(std::string_view& text) {
    for (const auto& [name, nanoseconds] : units) {
        if (!text.starts_with(name)) continue;
        text.remove_prefix(name.size());
        return nanoseconds;
    }
    return 0;
}

/// Takes the digits of a fraction off the front.
std::string_view take_fraction(std::string_view& text) {
    const std::string_view digits = text.substr(0, std::min(text.find_first_not_of("0123456789"), text.size()));
    text.remove_prefix(digits.size());
    return digits;
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    if (text == "0") return std::chrono::nanoseconds{0};
    if (text.empty()) return std::nullopt;
    std::int64_t total = 0;
    while (!text.empty()) {
        std::int64_t whole = 0;
        std::size_t whole_digits = 0;
        std::string_view fraction;
        if (!take_number(text, whole, whole_digits)) return std::nullopt;
        if (text.starts_with('.')) {
            text.remove_prefix(1);
            fraction = take_fraction(text);
        }
        if (whole_digits == 0 && fraction.empty()) return std::nullopt;
        const std::int64_t unit = take_unit(text);
        if (unit == 0 || __builtin_mul_overflow(whole, unit, &whole)) return std::nullopt;
        std::int64_t digit_value = unit;  // what lies below a nanosecond is cut off
        for (const char digit : fraction) {
            digit_value /= 10;
            if (__builtin_add_overflow(whole, digit_value * (digit - '0'), &whole)) return std::nullopt;
        }
        if (__builtin_add_overflow(total, whole, &total)) return std::nullopt;
    }
    return std::chrono::nanoseconds{negative ? -total : total};
}

}  // namespace imgbuild::parser
