// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <unordered_map>

#include "base/ascii.h"
#include "builder/compare/detail/findings.h"
#include "builder/compare/detail/pieces.h"
#include "builder/compare/detail/text_classes.h"

namespace imgbuild::builder::detail {
namespace {

constexpr std::size_t max_lines = 1'000'000;  // more are looked at as bytes
constexpr std::size_t max_line_bytes = 4096;  // of one line
constexpr std::size_t max_pairs = 2000;       // of lines that differ
constexpr std::size_t look_back = 24;         // bytes shown before a difference

struct TextClass {
    DifferenceKind kind;
    std::size_t (*match)(std::string_view text, std::size_t at);
};
constexpr TextClass times{DifferenceKind::time, match_time};
constexpr TextClass randoms{DifferenceKind::random, match_random};
constexpr TextClass paths{DifferenceKind::path, match_path};
constexpr TextClass numbers{DifferenceKind::number, match_number};

// What a line is made of, some classes of things taken out.
struct Shape {
    std::string rest;  // with a mark where something was
    struct Part {
        DifferenceKind kind;
        std::string_view text;
    };
    std::vector<Part> parts;
};

Shape shape_of(std::string_view line, std::span<const TextClass> classes) {
    Shape shape;
    for (std::size_t at = 0; at < line.size();) {
        std::size_t length = 0;
        for (const TextClass& text_class : classes) {
            length = text_class.match(line, at);
            if (length == 0) continue;
            shape.parts.push_back({text_class.kind, line.substr(at, length)});
            shape.rest += '\0';
            shape.rest += static_cast<char>(text_class.kind);
            break;
        }
        if (length == 0) shape.rest += line[at++];
        at += length;
    }
    return shape;
}

// One finding of each class that differs, where the lines are equal but for these classes.
bool is_explained_by(const Pair& lines, std::span<const TextClass> classes, std::string_view where,
                     Findings& findings) {
    const Shape before = shape_of(lines.before, classes);
    const Shape after = shape_of(lines.after, classes);
    if (before.rest != after.rest || before.parts.empty()) return false;
    for (const TextClass& text_class : classes)
        for (std::size_t i = 0; i < before.parts.size(); ++i) {
            const Shape::Part& part = before.parts[i];
            if (part.kind != text_class.kind || part.text == after.parts[i].text) continue;
            DifferenceKind kind = part.kind;
            const Surroundings& known = findings.surroundings();
            if (kind == DifferenceKind::number && known.processors_before != known.processors_after &&
                part.text == std::to_string(known.processors_before) &&
                after.parts[i].text == std::to_string(known.processors_after))
                kind = DifferenceKind::processors;
            findings.add(kind, where, part.text, after.parts[i].text);
            break;
        }
    return true;
}

std::string without(std::string_view line, std::string_view word) {
    std::string rest(line);
    for (std::size_t at = rest.find(word); at != std::string::npos; at = rest.find(word, at + 1))
        rest.replace(at, word.size(), 1, '\0');
    return rest;
}

bool is_host_name(const Pair& lines, const Surroundings& known) {
    if (known.host_name_before.empty() || known.host_name_after.empty()) return false;
    return lines.before.find(known.host_name_before) != std::string_view::npos &&
           without(lines.before, known.host_name_before) == without(lines.after, known.host_name_after);
}

bool are_same_words(const Pair& lines) {
    const auto words_of = [](std::string_view line) {
        std::vector<std::string_view> words;
        constexpr std::string_view separators = " \t,;:{}[]()|";
        for (std::size_t begin = 0; begin < line.size();) {
            const std::size_t end = std::min(line.find_first_of(separators, begin), line.size());
            if (end > begin) words.push_back(line.substr(begin, end - begin));
            begin = end + 1;
        }
        std::ranges::sort(words);
        return words;
    };
    const auto words = words_of(lines.before);
    return words.size() > 1 && words == words_of(lines.after);
}

std::size_t common_prefix(const Pair& pair) {
    const auto ends = std::ranges::mismatch(pair.before, pair.after);
    return static_cast<std::size_t>(ends.in1 - pair.before.begin());
}

Pair cut(const Pair& lines) {
    if (std::max(lines.before.size(), lines.after.size()) <= max_line_bytes) return lines;
    const std::size_t same = common_prefix(lines);
    const std::size_t begin = same - std::min(same, max_line_bytes / 4);
    return {lines.before.substr(begin, max_line_bytes), lines.after.substr(begin, max_line_bytes)};
}

// The pieces of one list that the other does not have, as often as it does not have them.
std::vector<Piece> missing_from(std::span<const Piece> pieces, std::span<const Piece> others) {
    std::unordered_map<std::string_view, std::size_t> counts;
    for (const Piece& other : others) ++counts[other.text];
    std::vector<Piece> missing;
    for (const Piece& piece : pieces) {
        const auto known = counts.find(piece.text);
        if (known == counts.end() || known->second == 0)
            missing.push_back(piece);
        else
            --known->second;
    }
    return missing;
}

std::vector<Piece> lines_of(std::string_view text) {
    std::vector<Piece> lines;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        lines.push_back({text.substr(begin, end - begin), lines.size() + 1});
        begin = end + 1;
    }
    return lines;
}

std::string describe_line(std::size_t number) { return fmt::format("line {}", number); }

}  // namespace

bool compare_pieces(std::span<const Piece> before, std::span<const Piece> after, std::string (*describe)(std::size_t),
                    Findings& findings) {
    const std::vector<Piece> old = missing_from(before, after);
    const std::vector<Piece> fresh = missing_from(after, before);
    if (old.empty() && fresh.empty()) {
        const auto ends = std::ranges::mismatch(before, after, {}, &Piece::text, &Piece::text);
        if (ends.in1 == before.end() || ends.in2 == after.end()) return false;
        findings.add(DifferenceKind::order, describe(ends.in1->place), ends.in1->text, ends.in2->text);
        return true;
    }
    const std::size_t pairs = std::min({old.size(), fresh.size(), max_pairs});
    for (std::size_t i = 0; i < pairs; ++i)
        compare_line({old[i].text, fresh[i].text}, describe(fresh[i].place), findings);
    for (std::size_t i = pairs; i < std::min(old.size(), max_pairs); ++i)
        findings.add(DifferenceKind::content, describe(old[i].place), old[i].text, "");
    for (std::size_t i = pairs; i < std::min(fresh.size(), max_pairs); ++i)
        findings.add(DifferenceKind::content, describe(fresh[i].place), "", fresh[i].text);
    return true;
}

void compare_line(const Pair& pair, std::string_view where, Findings& findings) {
    const Pair lines = cut(pair);
    const Surroundings& known = findings.surroundings();
    if (is_host_name(lines, known))
        return findings.add(DifferenceKind::host_name, where, known.host_name_before, known.host_name_after);
    if (are_same_words(lines)) return findings.add(DifferenceKind::word_order, where, lines.before, lines.after);
    // One class alone says most; of several, dates are recognised best and numbers worst.
    constexpr std::array all{times, randoms, paths, numbers};
    for (const TextClass& one : all)
        if (is_explained_by(lines, std::span(&one, 1), where, findings)) return;
    for (std::size_t count = 2; count <= all.size(); ++count)
        if (is_explained_by(lines, std::span(all).first(count), where, findings)) return;
    const std::size_t same = common_prefix(lines);
    const std::size_t begin = same - std::min(same, look_back);
    findings.add(DifferenceKind::content, where, lines.before.substr(begin), lines.after.substr(begin));
}

bool looks_like_text(std::string_view bytes) noexcept {
    constexpr std::size_t looked_at = 64 * 1024;
    return std::ranges::none_of(bytes.substr(0, looked_at), [](char c) {
        return static_cast<unsigned char>(c) < ' ' && !is_blank(c) && c != '\x1b' && c != '\b';
    });
}

void compare_text(const Pair& pair, Findings& findings) {
    const Pair longer = pair.before.size() < pair.after.size() ? Pair{pair.after, pair.before} : pair;
    if (longer.before.starts_with(longer.after)) {
        const std::size_t same = longer.after.size();
        return findings.add(DifferenceKind::size,
                            describe_line(1 + static_cast<std::size_t>(std::ranges::count(longer.after, '\n'))),
                            pair.before.substr(std::min(same, pair.before.size())),
                            pair.after.substr(std::min(same, pair.after.size())));
    }
    const auto count = [](std::string_view text) { return static_cast<std::size_t>(std::ranges::count(text, '\n')); };
    if (std::max(count(pair.before), count(pair.after)) > max_lines) return compare_binary(pair, findings);
    const std::vector<Piece> before = lines_of(pair.before);
    const std::vector<Piece> after = lines_of(pair.after);
    // Equal lines in an equal order: the last line of one has no end.
    if (!compare_pieces(before, after, describe_line, findings))
        findings.add(DifferenceKind::size, describe_line(before.size()), fmt::format("{} bytes", pair.before.size()),
                     fmt::format("{} bytes", pair.after.size()));
}

}  // namespace imgbuild::builder::detail
