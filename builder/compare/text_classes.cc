// SPDX-License-Identifier: Apache-2.0
#include "builder/compare/detail/text_classes.h"

#include <array>
#include <optional>

#include "base/ascii.h"

namespace imgbuild::builder::detail {
namespace {

constexpr std::array weekdays{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::array weekday_ends{"day", "sday", "nesday", "rsday", "day", "urday", "day"};
constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array month_ends{"uary", "ruary", "ch", "il", "", "e", "y", "ust", "tember", "ober", "ember", "ember"};

bool is_digit_at(std::string_view text, std::size_t at) { return at < text.size() && is_digit(text[at]); }
bool is_alnum(char c) { return is_digit(c) || is_letter(c); }
bool is_alnum_at(std::string_view text, std::size_t at) { return at < text.size() && is_alnum(text[at]); }
bool is_hex_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_char_at(std::string_view text, std::size_t at, std::string_view any) {
    return at < text.size() && any.find(text[at]) != std::string_view::npos;
}

std::size_t digits_at(std::string_view text, std::size_t at) {
    std::size_t count = 0;
    while (is_digit_at(text, at + count)) ++count;
    return count;
}

int number_at(std::string_view text, std::size_t at, std::size_t digits) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) value = value * 10 + (text[at + i] - '0');
    return value;
}

bool is_year(std::string_view text, std::size_t at) {
    const int year = number_at(text, at, 4);
    return year >= 1900 && year < 2200;
}
bool is_month_and_day(std::string_view text, std::size_t month, std::size_t day) {
    const int m = number_at(text, month, 2);
    const int d = number_at(text, day, 2);
    return m >= 1 && m <= 12 && d >= 1 && d <= 31;
}

// "06:29", "06:29:27.5"
std::size_t clock_at(std::string_view text, std::size_t at) {
    if (digits_at(text, at) != 2 || !is_char_at(text, at + 2, ":") || digits_at(text, at + 3) != 2) return 0;
    if (number_at(text, at, 2) > 24 || number_at(text, at + 3, 2) > 59) return 0;
    std::size_t length = 5;
    if (is_char_at(text, at + length, ":") && digits_at(text, at + length + 1) == 2) length += 3;
    if (length == 8 && is_char_at(text, at + length, ".,"))
        if (const std::size_t fraction = digits_at(text, at + length + 1)) length += 1 + fraction;
    return length;
}

// "Z", "+02:00", "-0500"
std::size_t offset_at(std::string_view text, std::size_t at) {
    if (is_char_at(text, at, "Z") && !is_alnum_at(text, at + 1)) return 1;
    if (!is_char_at(text, at, "+-")) return 0;
    if (digits_at(text, at + 1) == 4) return 5;
    return digits_at(text, at + 1) == 2 && is_char_at(text, at + 3, ":") && digits_at(text, at + 4) == 2 ? 6 : 0;
}

// "2026-11-30", "2026/11/30T06:29:27Z"
std::size_t iso_date_at(std::string_view text, std::size_t at) {
    if (digits_at(text, at) != 4 || !is_year(text, at) || !is_char_at(text, at + 4, "-/.")) return 0;
    if (digits_at(text, at + 5) != 2 || !is_char_at(text, at + 7, "-/.") || !is_digit_at(text, at + 9)) return 0;
    if (!is_month_and_day(text, at + 5, at + 8)) return 0;
    std::size_t length = 10;
    if (is_char_at(text, at + length, "T _"))
        if (const std::size_t clock = clock_at(text, at + length + 1)) length += 1 + clock;
    return length + offset_at(text, at + length);
}

// "20261130", "20261130T062927Z", "20261130062927"
std::size_t compact_date_at(std::string_view text, std::size_t at) {
    const std::size_t digits = digits_at(text, at);
    if (digits != 8 && digits != 12 && digits != 14 && digits != 16) return 0;
    if (!is_year(text, at) || !is_month_and_day(text, at + 4, at + 6)) return 0;
    std::size_t length = digits;
    if (digits == 8 && is_char_at(text, at + 8, "T-_"))
        if (const std::size_t clock = digits_at(text, at + 9); clock == 6 || clock == 4) length += 1 + clock;
    return length + offset_at(text, at + length);
}

// Seconds since 1970, of today's length, or thousandths, millionths or billionths of them.
std::size_t epoch_at(std::string_view text, std::size_t at) {
    const std::size_t digits = digits_at(text, at);
    if (text[at] != '1' || (digits != 10 && digits != 13 && digits != 16 && digits != 19)) return 0;
    if (is_char_at(text, at + digits, "."))
        if (const std::size_t fraction = digits_at(text, at + digits + 1)) return digits + 1 + fraction;
    return is_alnum_at(text, at + digits) ? 0 : digits;
}

template <std::size_t Count>
std::size_t name_at(std::string_view text, std::size_t at, const std::array<const char*, Count>& names,
                    const std::array<const char*, Count>& ends) {
    for (std::size_t i = 0; i < Count; ++i) {
        if (!text.substr(at).starts_with(names[i])) continue;
        const std::size_t length = 3;
        const std::string_view end = ends[i];
        if (!end.empty() && text.substr(at + length).starts_with(end)) return length + end.size();
        return is_alnum_at(text, at + length) && !is_digit_at(text, at + length) ? 0 : length;
    }
    return 0;
}

// A day, a year, a time of day or a zone: what follows the name of a month or a weekday.
std::size_t date_part_at(std::string_view text, std::size_t at) {
    if (const std::size_t clock = clock_at(text, at)) return clock;
    const std::size_t digits = digits_at(text, at);
    if (digits == 1 || digits == 2 || (digits == 4 && is_year(text, at))) return digits;
    if (const std::size_t offset = offset_at(text, at)) return offset;
    for (const std::string_view zone : {"UTC", "GMT", "AM", "PM"})
        if (text.substr(at).starts_with(zone)) return zone.size();
    return 0;
}

// "Mon Nov 30 06:29:27 UTC 2026", "30 Nov 2026", "Mon, 30 Nov 2026 06:29:27 +0000"
std::size_t written_date_at(std::string_view text, std::size_t at) {
    constexpr int most_parts = 8;
    bool has_name = false;
    bool has_digits = false;
    std::size_t end = at;
    std::size_t next = at;
    for (int part = 0; part < most_parts; ++part) {
        std::size_t length = name_at(text, next, weekdays, weekday_ends);
        if (length == 0) length = name_at(text, next, months, month_ends);
        if (length > 0)
            has_name = true;
        else if (part == 0 && !is_digit_at(text, next))
            return 0;
        else if ((length = date_part_at(text, next)) > 0)
            has_digits = has_digits || is_digit(text[next]);
        if (length == 0) break;
        end = next + length;
        next = end;
        while (is_char_at(text, next, " ,-/") && next - end < 3) ++next;
    }
    return has_name && has_digits ? end - at : 0;
}

std::size_t hex_run(std::string_view text, std::size_t at) {
    std::size_t count = 0;
    while (at + count < text.size() && is_hex_digit(text[at + count])) ++count;
    return count;
}

std::size_t uuid_at(std::string_view text, std::size_t at) {
    std::size_t length = 0;
    for (const std::size_t part : {8, 4, 4, 4, 12}) {
        if (length > 0) {
            if (!is_char_at(text, at + length, "-")) return 0;
            ++length;
        }
        if (hex_run(text, at + length) != part) return 0;
        length += part;
    }
    return length;
}

struct Letters {
    bool upper = false, lower = false, digit = false;
    std::size_t kinds() const { return static_cast<std::size_t>(upper) + lower + digit; }
};
Letters letters_of(std::string_view token) {
    Letters letters;
    for (const char c : token) {
        letters.digit |= is_digit(c);
        letters.upper |= c >= 'A' && c <= 'Z';
        letters.lower |= c >= 'a' && c <= 'z';
    }
    return letters;
}

std::size_t random_token_at(std::string_view text, std::size_t at) {
    constexpr std::size_t shortest_hex = 8, longest_temporary = 12, shortest_temporary = 6, shortest_mixed = 16;
    std::size_t length = 0;
    while (is_alnum_at(text, at + length)) ++length;
    const std::string_view token = text.substr(at, length);
    const Letters letters = letters_of(token);
    if (hex_run(text, at) == length && length >= shortest_hex && letters.digit && letters.kinds() >= 2) return length;
    if (length >= shortest_mixed && letters.kinds() >= 2) {
        // The rest of base64 belongs to it.
        while (is_alnum_at(text, at + length) || is_char_at(text, at + length, "+/=")) ++length;
        return length;
    }
    const bool is_suffix = at > 0 && is_char_at(text, at - 1, "._-");
    return is_suffix && length >= shortest_temporary && length <= longest_temporary && letters.kinds() >= 2 ? length
                                                                                                            : 0;
}

bool is_path_char(char c) { return is_alnum(c) || std::string_view("/._+@~-").find(c) != std::string_view::npos; }

}  // namespace

std::size_t match_time(std::string_view text, std::size_t at) {
    if (at > 0 && is_alnum(text[at - 1])) return 0;
    for (const auto match : {iso_date_at, compact_date_at, clock_at, written_date_at, epoch_at})
        if (const std::size_t length = match(text, at)) return length;
    return 0;
}

std::size_t match_random(std::string_view text, std::size_t at) {
    if (at > 0 && is_alnum(text[at - 1])) return 0;
    const std::size_t uuid = uuid_at(text, at);
    return uuid > 0 ? uuid : random_token_at(text, at);
}

std::size_t match_path(std::string_view text, std::size_t at) {
    if (text[at] != '/' || (at > 0 && is_path_char(text[at - 1]))) return 0;
    if (!is_alnum_at(text, at + 1) && !is_char_at(text, at + 1, "._")) return 0;
    std::size_t length = 1;
    while (at + length < text.size() && is_path_char(text[at + length])) ++length;
    return length;
}

std::size_t match_number(std::string_view text, std::size_t at) {
    return at > 0 && is_digit(text[at - 1]) ? 0 : digits_at(text, at);
}

}  // namespace imgbuild::builder::detail
