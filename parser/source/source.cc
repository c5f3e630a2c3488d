// SPDX-License-Identifier: Apache-2.0
#include "parser/source/source.h"

#include "parser/source/utf8.h"

#include <algorithm>

namespace imgbuild::parser {
Span cover(Span a, Span b) noexcept { return {std::min(a.begin, b.begin), std::max(a.end, b.end)}; }

Source::Source(std::string name, std::string text) : name_(std::move(name)), text_(std::move(text)) {
    line_begins_.push_back(0);
    for (std::size_t at = text_.find('\n'); at != std::string::npos; at = text_.find('\n', at + 1)) {
        if (at + 1 < text_.size()) line_begins_.push_back(at + 1);
    }
}

std::string_view Source::slice(Span span) const noexcept {
    const std::size_t begin = std::min(span.begin, text_.size());
    return std::string_view(text_).substr(begin, span.size());
}

std::size_t Source::line_of(std::size_t offset) const noexcept {
    const auto after = std::ranges::upper_bound(line_begins_, offset);
    return static_cast<std::size_t>(after - line_begins_.begin());
}

Position Source::position(std::size_t offset) const noexcept {
    const std::size_t number = line_of(offset);
    const std::size_t begin = line_begins_[number - 1];
    const std::string_view before = slice({begin, offset});
    return {number, 1 + static_cast<std::size_t>(std::ranges::count_if(before, begins_code_point))};
}

Span Source::line_span(std::size_t number) const noexcept {
    const std::size_t begin = line_begins_[number - 1];
    return {begin, number < line_begins_.size() ? line_begins_[number] : text_.size()};
}

std::string_view Source::line(std::size_t number) const noexcept {
    std::string_view text = slice(line_span(number));
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    return text;
}

}  // namespace imgbuild::parser
