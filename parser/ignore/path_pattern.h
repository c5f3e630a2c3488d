// SPDX-License-Identifier: Apache-2.0
#pragma once

// Patterns over slash-separated paths in two dialects, compiled once and matched in time that no pattern can
// blow up.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace imgbuild::parser {

enum class PatternDialect {
    glob,    ///< COPY sources: * ? [a-z] [^a] \x within a component; ** is just *
    ignore,  ///< ignore files, --exclude and --parents: in addition ** spans components
};

class PathPattern {
  public:
    /// Empty, with the reason in `problem`, when the pattern is malformed ("[", "[z-a]", a trailing "\").
    static std::optional<PathPattern> compile(std::string_view pattern, PatternDialect dialect, std::string& problem);

    /// True if the whole of `path` (relative, clean, no leading slash) matches.
    bool matches(std::string_view path) const;
    /// True if something strictly below the directory `path` could match.
    bool may_match_below(std::string_view path) const;

    bool is_literal() const noexcept { return literal_; }
    /// The bytes before the first wildcard, escapes removed; of a literal pattern the whole.
    const std::string& literal_prefix() const noexcept { return prefix_; }

  private:
    enum class Kind : std::uint8_t {
        character,
        any_character,
        character_class,
        any_run,      ///< any characters but slashes
        deep_run,     ///< "**" at the end: anything
        deep_prefix,  ///< "**" elsewhere: nothing, or anything that ends in a slash
    };
    enum class Progress : std::uint8_t { failed, matched, may_go_on };
    struct Token {
        Kind kind;
        char32_t value;  ///< the character, or the index of the class
    };
    struct CharacterClass {
        bool negated = false;
        std::vector<std::pair<char32_t, char32_t>> ranges;
    };
    class Compiler;

    std::size_t take_one(const Token& token, std::string_view path, std::size_t at) const noexcept;
    /// Matches the whole of `path`; with `accept_prefix`, tells whether a longer path could match.
    Progress run(std::string_view path, bool accept_prefix) const;
    /// The same by following every way at once: for a "**" in the middle of a component.
    Progress run_all(std::string_view path, bool accept_prefix) const;

    std::vector<Token> tokens_;
    std::vector<CharacterClass> classes_;
    std::string prefix_;
    std::string suffix_;  ///< literal bytes that every match ends with
    bool literal_ = false;
    bool has_odd_prefix_ = false;  ///< a deep_prefix that does not begin a component
};

/// True if `text` holds a wildcard of the dialects (an escaped one does not count).
bool has_wildcard(std::string_view text) noexcept;
/// One match without keeping the pattern; false for a malformed one.
bool glob_match(std::string_view pattern, std::string_view path);

}  // namespace imgbuild::parser
