// SPDX-License-Identifier: Apache-2.0
#include "parser/lexer/logical_line.h"

#include <algorithm>

namespace imgbuild::parser {

LogicalLine::LogicalLine(std::string text, Span everywhere) : text_(std::move(text)), everywhere_(everywhere) {}

void LogicalLine::append(std::string_view piece, std::size_t source_begin) {
    pieces_.push_back({text_.size(), source_begin});
    text_ += piece;
}

void LogicalLine::truncate(std::size_t size) { text_.resize(std::min(size, text_.size())); }

std::size_t LogicalLine::source_offset(std::size_t text_offset) const noexcept {
    const auto after = std::ranges::upper_bound(pieces_, text_offset, {}, &Piece::text_begin);
    if (after == pieces_.begin()) return 0;
    const Piece& piece = *(after - 1);
    return piece.source_begin + (text_offset - piece.text_begin);
}

Span LogicalLine::span(std::size_t begin, std::size_t end) const noexcept {
    if (everywhere_) return *everywhere_;
    if (end <= begin) return {source_offset(begin), source_offset(begin)};
    // The last byte and one more: the byte behind it may be the first of the next line.
    return {source_offset(begin), source_offset(end - 1) + 1};
}

}  // namespace imgbuild::parser
