// SPDX-License-Identifier: Apache-2.0
#pragma once

// Words: pieces of an instruction as they stand in the file, quotes, escapes and variables included, and
// their expansion, which waits until the environment is known (the base image's ENV takes part in it).
//
// Expansion follows the Dockerfile language, not the shell: no command substitution, no field splitting but
// in expand_words(), its own list of ${…} forms. It is a pure function, linear in text and result, and its
// depth and result are bounded.

#include "parser/lexer/environment.h"
#include "parser/source/diagnostic.h"
#include "parser/source/source.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild::parser {

enum class WordStyle {
    shell,    ///< quotes group and vanish, escapes and variables count
    heredoc,  ///< variables and backslash escapes count, quotes are ordinary characters
    literal,  ///< nothing counts: the expansion is the text itself
};

struct Word {
    std::string text;  ///< raw, continuation lines joined
    Span span;         ///< where it stands in the Source
    WordStyle style = WordStyle::shell;
    char escape = '\\';  ///< the escape character of the file

    friend bool operator==(const Word&, const Word&) = default;
};

/// True if the expansion of `word` may depend on the environment.
bool has_variables(const Word& word) noexcept;

struct ExpandOptions {
    /// A variable that is not set stays as it is written instead of becoming empty: for step labels.
    bool keep_unset = false;
    /// A longer result is an error: ENV a=$a$a doubles with each line.
    std::size_t max_result_bytes = 1024 * 1024;
};

/// What an expansion gave. `text` and `words` mean something only if ok().
struct Expansion {
    std::string text;                    ///< of expand()
    std::vector<std::string> words;      ///< of expand_words()
    std::vector<std::string> read;       ///< names whose value or absence took part, each once, in order
    std::vector<std::string> undefined;  ///< those of `read` that are not declared and have no fallback
    std::optional<Diagnostic> error;     ///< placed at the word's span

    bool ok() const noexcept { return !error; }
};

/// The depth of nested ${…} above which a word is refused.
inline constexpr std::size_t max_expansion_depth = 100;

/// Expands to one string; blanks in values are kept.
Expansion expand(const Word& word, const Environment& environment, const ExpandOptions& options = {});
/// Expands to any number of words: unquoted blanks, also those of values, separate (EXPOSE).
Expansion expand_words(const Word& word, const Environment& environment, const ExpandOptions& options = {});

/// What is wrong with quotes and ${…} of `word`, whatever the environment will be; empty when nothing is.
std::optional<Diagnostic> check_syntax(const Word& word);

/// The check UndefinedVar for one name of Expansion::undefined, with the nearest known name as hint.
Diagnostic undefined_variable(std::string_view name, const Environment& environment, Span span);

}  // namespace imgbuild::parser
