// SPDX-License-Identifier: Apache-2.0
#pragma once

// One instruction's text with its continuation lines joined, and the way back from a place in it to the
// Source. Parsing works on the joined text; spans in the file come from span().

#include "parser/source/source.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild::parser {

class LogicalLine {
  public:
    LogicalLine() = default;
    /// A line that stands in no file (a trigger of a base image): each of its places is `everywhere`.
    LogicalLine(std::string text, Span everywhere);

    /// Joins one more piece, which stands at `source_begin` in the file.
    void append(std::string_view piece, std::size_t source_begin);
    /// Drops bytes at the end, down to `size`.
    void truncate(std::size_t size);

    const std::string& text() const noexcept { return text_; }
    /// The place in the file of the bytes [begin, end) of the text; continuation lines between the two lie
    /// inside it.
    Span span(std::size_t begin, std::size_t end) const noexcept;
    Span span() const noexcept { return span(0, text_.size()); }

  private:
    struct Piece {
        std::size_t text_begin;
        std::size_t source_begin;
    };

    std::size_t source_offset(std::size_t text_offset) const noexcept;

    std::string text_;
    std::vector<Piece> pieces_;
    std::optional<Span> everywhere_;
};

}  // namespace imgbuild::parser
