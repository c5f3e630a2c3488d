// SPDX-License-Identifier: Apache-2.0
#pragma once

// The patterns of ${v#p}, ${v%p} and ${v/p/r}: '*' is any run, '?' one character, '\' makes the next one
// ordinary. Matching takes time linear in value × pattern, whatever the pattern.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild::parser {

class ShellPattern {
  public:
    /// A longer pattern is refused, which keeps the product above small.
    static constexpr std::size_t max_characters = 4096;

    /// Empty, with the reason in `problem`, for a wrong escape or a pattern that is too long.
    static std::optional<ShellPattern> compile(std::string_view pattern, std::string& problem);

    /// `value` without the shortest or longest prefix that matches; the whole when none does.
    std::string without_prefix(std::string_view value, bool longest) const;
    std::string without_suffix(std::string_view value, bool longest) const;
    /// `value` with the first or every leftmost, longest match replaced.
    std::string replace(std::string_view value, std::string_view replacement, bool all) const;

  private:
    struct Unit {
        char32_t character;
        bool any;  ///< '?'
    };
    /// A run of units between two stars; its length is fixed.
    using Segment = std::vector<Unit>;

    static bool matches_at(const Segment& segment, std::u32string_view text, std::size_t at) noexcept;
    /// The end of the shortest or longest match that begins at `begin`.
    std::optional<std::size_t> match_end(std::u32string_view text, std::size_t begin, bool longest) const;
    ShellPattern reversed() const;

    std::vector<Segment> segments_{1};  ///< stars stand between them
};

}  // namespace imgbuild::parser
