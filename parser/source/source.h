// SPDX-License-Identifier: Apache-2.0
#pragma once

// The text of one Buildfile or ignore file, with its name and its lines. Everything that the parser makes
// points into a Source by byte offsets; a place is shown to people only through here.
//
// Immutable; any number of threads may read one. Lines and columns count from 1, columns in code points.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild::parser {

/// Bytes [begin, end) of a Source. The end may be the end of the text.
struct Span {
    std::size_t begin = 0;
    std::size_t end = 0;

    bool empty() const noexcept { return begin >= end; }
    std::size_t size() const noexcept { return empty() ? 0 : end - begin; }
    friend bool operator==(const Span&, const Span&) = default;
};

/// The smallest span that covers both.
Span cover(Span a, Span b) noexcept;

struct Position {
    std::size_t line = 1;
    std::size_t column = 1;
    friend bool operator==(const Position&, const Position&) = default;
};

class Source {
  public:
    /// A larger Buildfile or ignore file is refused; who reads one may stop there.
    static constexpr std::size_t max_bytes = 8 * 1024 * 1024;

    /// `name` is what messages call the file, as the user spelt it.
    Source(std::string name, std::string text);

    const std::string& name() const noexcept { return name_; }
    const std::string& text() const noexcept { return text_; }
    /// The bytes of a span; what lies behind the end of the text is left out.
    std::string_view slice(Span span) const noexcept;

    /// The place of an offset; one behind the text is the place just after its last byte.
    Position position(std::size_t offset) const noexcept;
    /// The number of the line that holds `offset`.
    std::size_t line_of(std::size_t offset) const noexcept;
    /// At least 1. A newline at the end of the text begins no further line.
    std::size_t line_count() const noexcept { return line_begins_.size(); }
    /// A line with its line ending; `number` from 1 to line_count().
    Span line_span(std::size_t number) const noexcept;
    /// A line without its line ending ("\n" or "\r\n").
    std::string_view line(std::size_t number) const noexcept;

  private:
    std::string name_;
    std::string text_;
    std::vector<std::size_t> line_begins_;
};

}  // namespace imgbuild::parser
