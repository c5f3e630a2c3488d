// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/text.h"
#include "builder/compare/detail/findings.h"
#include "builder/compare/detail/pieces.h"

namespace imgbuild::builder::detail {
namespace {

constexpr std::size_t max_runs = 256;  // looked at
constexpr std::size_t max_gap = 3;     // equal bytes inside what is one difference
constexpr std::size_t shortest_string = 6;
constexpr std::size_t max_strings = 200'000;
constexpr std::size_t longest_string = 1024;            // around a difference
constexpr std::size_t shortest_random = 16;             // bytes
constexpr std::int64_t earliest_time = 1'262'304'000;   // 2010
constexpr std::int64_t latest_time = 2'524'608'000;     // 2050
constexpr std::int64_t longest_between = 400 * 86'400;  // seconds between two builds that are compared

bool is_printable(char c) { return static_cast<unsigned char>(c) >= ' ' && c != '\x7f'; }

std::string describe_offset(std::size_t offset) { return fmt::format("offset {:#x}", offset); }

struct Run {
    std::size_t begin = 0;
    std::size_t end = 0;
};

std::vector<Run> differing_runs(const Pair& pair) {
    std::vector<Run> runs;
    for (std::size_t at = 0; at < pair.before.size(); ++at) {
        if (pair.before[at] == pair.after[at]) continue;
        if (!runs.empty() && at - runs.back().end <= max_gap) {
            runs.back().end = at + 1;
        } else {
            if (runs.size() == max_runs) break;
            runs.push_back({at, at + 1});
        }
    }
    return runs;
}

// The printable text that a run lies in, the same stretch of both; empty where it is no text.
std::optional<Run> text_around(const Pair& pair, const Run& run) {
    const auto is_text = [&](std::size_t at) { return is_printable(pair.before[at]) && is_printable(pair.after[at]); };
    for (std::size_t at = run.begin; at < run.end; ++at)
        if (!is_text(at)) return std::nullopt;
    Run text = run;
    while (text.begin > 0 && run.begin - text.begin < longest_string && is_text(text.begin - 1)) --text.begin;
    while (text.end < pair.before.size() && text.end - run.end < longest_string && is_text(text.end)) ++text.end;
    return text.end - text.begin >= shortest_string ? std::optional(text) : std::nullopt;
}

bool are_times(std::uint64_t a, std::uint64_t b) {
    const auto first = static_cast<std::int64_t>(a);
    const auto second = static_cast<std::int64_t>(b);
    return first >= earliest_time && second >= earliest_time && first < latest_time && second < latest_time &&
           std::abs(first - second) <= longest_between;
}

// Seconds since 1970 as a machine stores them: four bytes, or eight of which four are zero.
bool add_stored_time(const Pair& pair, const Run& run, Findings& findings) {
    constexpr std::size_t width = 4;
    if (run.end - run.begin > width) return false;
    const std::size_t first = run.end - std::min(run.end, width);
    for (std::size_t at = first; at <= run.begin; ++at) {
        if (!holds(pair.before, at, width)) continue;
        for (const auto read : {read_little, read_big}) {
            const std::uint64_t before = read(pair.before, at, width);
            const std::uint64_t after = read(pair.after, at, width);
            if (!are_times(before, after)) continue;
            findings.add(DifferenceKind::time, describe_offset(at), rfc3339(static_cast<std::int64_t>(before)),
                         rfc3339(static_cast<std::int64_t>(after)));
            return true;
        }
    }
    return false;
}

void compare_run(const Pair& pair, const Run& run, Findings& findings) {
    if (const std::optional<Run> text = text_around(pair, run)) {
        const std::size_t length = text->end - text->begin;
        return compare_line({pair.before.substr(text->begin, length), pair.after.substr(text->begin, length)},
                            describe_offset(text->begin), findings);
    }
    if (add_stored_time(pair, run, findings)) return;
    const std::size_t length = run.end - run.begin;
    findings.add(length >= shortest_random ? DifferenceKind::random : DifferenceKind::content,
                 describe_offset(run.begin), hex_of(pair.before.substr(run.begin, length)),
                 hex_of(pair.after.substr(run.begin, length)));
}

std::vector<Piece> strings_of(std::string_view bytes) {
    std::vector<Piece> strings;
    for (std::size_t at = 0; at < bytes.size() && strings.size() < max_strings;) {
        std::size_t end = at;
        while (end < bytes.size() && is_printable(bytes[end])) ++end;
        if (end - at >= shortest_string) strings.push_back({bytes.substr(at, end - at), at});
        at = end + 1;
    }
    return strings;
}

// Bytes that have been drawn anew are equal in one of 256 places.
bool are_drawn_anew(const Pair& pair) {
    if (pair.before.size() < shortest_random) return false;
    std::size_t equal = 0;
    for (std::size_t at = 0; at < pair.before.size(); ++at) equal += pair.before[at] == pair.after[at];
    return equal * 20 < pair.before.size();
}

void compare_same_size(const Pair& pair, Findings& findings) {
    if (are_drawn_anew(pair))
        return findings.add(DifferenceKind::random, describe_offset(0), hex_of(pair.before), hex_of(pair.after));
    const std::vector<Piece> before = strings_of(pair.before);
    const std::vector<Piece> after = strings_of(pair.after);
    const auto texts = [](const std::vector<Piece>& pieces) {
        std::vector<std::string_view> list;
        for (const Piece& piece : pieces) list.push_back(piece.text);
        return list;
    };
    std::vector<std::string_view> first = texts(before), second = texts(after);
    const bool is_same_order = first == second;
    std::ranges::sort(first);
    std::ranges::sort(second);
    if (!is_same_order && first == second) {
        compare_pieces(before, after, describe_offset, findings);
        return;
    }
    for (const Run& run : differing_runs(pair)) compare_run(pair, run, findings);
}

}  // namespace

void compare_binary(const Pair& pair, Findings& findings) {
    if (pair.before == pair.after) return;
    if (pair.before.size() == pair.after.size()) return compare_same_size(pair, findings);
    const auto sizes = [&](DifferenceKind kind, std::string_view where) {
        findings.add(kind, where, fmt::format("{} bytes", pair.before.size()),
                     fmt::format("{} bytes", pair.after.size()));
    };
    if (pair.before.starts_with(pair.after) || pair.after.starts_with(pair.before))
        return sizes(DifferenceKind::size, "");
    // Of another length, places say nothing: the texts inside are compared.
    compare_pieces(strings_of(pair.before), strings_of(pair.after), describe_offset, findings);
    const auto ends = std::ranges::mismatch(pair.before, pair.after);
    sizes(DifferenceKind::content, describe_offset(static_cast<std::size_t>(ends.in1 - pair.before.begin())));
}

}  // namespace imgbuild::builder::detail
