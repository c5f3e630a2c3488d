// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the parser has to say about a text: a value, never an exception, so that all faults of a file come in
// one go. Also the planner says what is wrong with an expanded value in this form.

#include "parser/source/source.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild::parser {

enum class Severity { error, warning };

struct Diagnostic {
    Severity severity = Severity::error;
    std::string rule;     ///< of a build check, for example "UndefinedVar"; empty for others
    std::string message;  ///< one line without a full stop; may hold foreign bytes, render() makes them safe
    Span span;            ///< an empty span marks the place between two characters
    std::string hint;     ///< what the user can do; may be empty
    std::string url;      ///< where more is written; may be empty

    friend bool operator==(const Diagnostic&, const Diagnostic&) = default;
};

Diagnostic make_error(Span span, std::string message, std::string hint = {});

/// "Buildfile:3:7".
std::string location(Span span, const Source& source);

/// The whole message for people, each line ended by "\n":
///
///     Buildfile:2:1: error: unknown instruction: RUNN
///       2 | RUNN true
///         | ^^^^
///         = did you mean RUN?
///
/// A rule stands in brackets behind the message. Nothing in the text can drive a terminal, and a long line
/// is cut around the marked place.
std::string render(const Diagnostic& diagnostic, const Source& source);

/// Diagnostics in the order in which they were found. It keeps at most `max_kept`, so that a file of noise
/// costs no more than a screenful; what came later is only counted.
class Diagnostics {
  public:
    static constexpr std::size_t max_kept = 1000;
    static constexpr std::size_t max_message_bytes = 1000;  ///< a longer message is cut: it quotes a word of noise

    void add(Diagnostic diagnostic);
    void error(Span span, std::string message, std::string hint = {});
    void append(const Diagnostics& others);

    bool has_errors() const noexcept { return error_count_ > 0; }
    std::size_t error_count() const noexcept { return error_count_; }  ///< those not kept too
    std::size_t omitted() const noexcept { return omitted_; }          ///< found but not kept
    bool empty() const noexcept { return kept_.empty(); }
    std::size_t size() const noexcept { return kept_.size(); }
    const Diagnostic& operator[](std::size_t index) const { return kept_.at(index); }
    std::vector<Diagnostic>::const_iterator begin() const noexcept { return kept_.begin(); }
    std::vector<Diagnostic>::const_iterator end() const noexcept { return kept_.end(); }

    /// Puts them in the order of the text; equal places keep the order in which they were found.
    void sort_by_place();
    /// render() of each, an empty line between two, and a last line that counts the omitted ones.
    std::string render(const Source& source) const;

  private:
    std::vector<Diagnostic> kept_;
    std::size_t error_count_ = 0;
    std::size_t omitted_ = 0;
};

}  // namespace imgbuild::parser
