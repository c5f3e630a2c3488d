// SPDX-License-Identifier: Apache-2.0
#include "parser/lexer/shell_pattern.h"

#include "parser/source/utf8.h"

#include <fmt/format.h>

#include <algorithm>

namespace imgbuild::parser {

std::optional<ShellPattern> ShellPattern::compile(std::string_view pattern, std::string& problem) {
    const std::u32string characters = decode_utf8(pattern);
    if (characters.size() > max_characters) {
        problem = fmt::format("it is longer than {} characters", max_characters);
        return std::nullopt;
    }
    ShellPattern compiled;
    for (std::size_t i = 0; i < characters.size(); ++i) {
        char32_t character = characters[i];
        if (character == U'*') {
            compiled.segments_.emplace_back();
            continue;
        }
        const bool any = character == U'?';
        if (character == U'\\') {
            character = i + 1 < characters.size() ? characters[++i] : U'\0';
            if (std::u32string_view(U"*?\\/}").find(character) == std::u32string_view::npos) {
                problem = "invalid escape '\\" + (character ? encode_utf8({&character, 1}) : "") + "'";
                return std::nullopt;
            }
        }
        compiled.segments_.back().push_back({character, any});
    }
    return compiled;
}

bool ShellPattern::matches_at(const Segment& segment, std::u32string_view text, std::size_t at) noexcept {
    if (segment.size() > text.size() - at) return false;
    for (std::size_t i = 0; i < segment.size(); ++i) {
        if (!segment[i].any && segment[i].character != text[at + i]) return false;
    }
    return true;
}

std::optional<std::size_t> ShellPattern::match_end(std::u32string_view text, std::size_t begin, bool longest) const {
    if (!matches_at(segments_.front(), text, begin)) return std::nullopt;
    std::size_t at = begin + segments_.front().size();
    if (segments_.size() == 1) return at;

    // Between the first and the last segment the leftmost place leaves most room for what follows.
    for (std::size_t i = 1; i + 1 < segments_.size(); ++i) {
        while (at <= text.size() && !matches_at(segments_[i], text, at)) ++at;
        if (at > text.size()) return std::nullopt;
        at += segments_[i].size();
    }
    const Segment& last = segments_.back();
    if (last.size() > text.size() - at) return std::nullopt;
    const std::size_t latest = text.size() - last.size();
    for (std::size_t tried = 0; tried <= latest - at; ++tried) {
        const std::size_t place = longest ? latest - tried : at + tried;
        if (matches_at(last, text, place)) return place + last.size();
    }
    return std::nullopt;
}

ShellPattern ShellPattern::reversed() const {
    ShellPattern mirror = *this;
    std::ranges::reverse(mirror.segments_);
    for (Segment& segment : mirror.segments_) std::ranges::reverse(segment);
    return mirror;
}

std::string ShellPattern::without_prefix(std::string_view value, bool longest) const {
    const std::u32string text = decode_utf8(value);
    const std::optional<std::size_t> end = match_end(text, 0, longest);
    return end ? encode_utf8(std::u32string_view(text).substr(*end)) : std::string(value);
}

std::string ShellPattern::without_suffix(std::string_view value, bool longest) const {
    std::u32string text = decode_utf8(value);
    std::ranges::reverse(text);
    const std::optional<std::size_t> end = reversed().match_end(text, 0, longest);
    if (!end) return std::string(value);
    text.erase(0, *end);
    std::ranges::reverse(text);
    return encode_utf8(text);
}

std::string ShellPattern::replace(std::string_view value, std::string_view replacement, bool all) const {
    const std::u32string text = decode_utf8(value);
    std::string out;
    std::size_t copied = 0;
    bool matched = false;
    for (std::size_t at = 0; at <= text.size();) {
        const bool begins_here = matches_at(segments_.front(), text, at);
        const std::optional<std::size_t> end = begins_here ? match_end(text, at, true) : std::nullopt;
        // What stands behind the first star was sought in all the rest of the text: a later begin cannot find
        // it either. Without this, a pattern like *a*a*b would cost the square of the value.
        if (!end && begins_here && segments_.size() > 1) break;
        // An empty match directly behind another match is none.
        if (!end || (matched && *end == copied)) {
            ++at;
            continue;
        }
        out += encode_utf8(std::u32string_view(text).substr(copied, at - copied));
        out += replacement;
        matched = true;
        copied = *end;
        at = std::max(*end, at + 1);
        if (!all) break;
    }
    return out + encode_utf8(std::u32string_view(text).substr(copied));
}

}  // namespace imgbuild::parser
