// SPDX-License-Identifier: Apache-2.0
#pragma once

// The rules of a .dockerignore file, of --exclude flags and of --parents filters: an ordered list in which the
// last rule that matches a path, or any directory above it, decides.
//
// Paths are relative to the root of the context, clean, with slashes and without a leading one. Immutable
// after parse(); any number of threads may match.

#include "parser/ignore/path_pattern.h"
#include "parser/source/diagnostic.h"
#include "parser/source/source.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild::parser {

struct IgnoreRule {
    std::string pattern;  ///< cleaned, without "!"
    bool exception = false;
    std::size_t line = 0;  ///< in the ignore file, from 1; for from_patterns() the place in the list, from 1
    PathPattern compiled;
};

struct IgnoreVerdict {
    bool ignored = false;
    std::size_t line = 0;  ///< of the rule that decided; 0 when none did

    friend bool operator==(const IgnoreVerdict&, const IgnoreVerdict&) = default;
};

/// Which rules match a directory or one above it: what a walker carries down. Default: the root's.
class IgnoreState {
    friend class IgnoreRules;
    std::vector<bool> matched_;
};

class IgnoreRules {
  public:
    IgnoreRules() = default;
    /// Malformed rules are left out and reported with their line.
    static IgnoreRules parse(const Source& source, Diagnostics& diagnostics);
    /// The same grammar for a list of patterns; a fault is placed at `span`.
    static IgnoreRules from_patterns(std::span<const std::string> patterns, Span span, Diagnostics& diagnostics);

    bool empty() const noexcept { return rules_.empty(); }
    bool has_exceptions() const noexcept { return has_exceptions_; }
    const std::vector<IgnoreRule>& rules() const noexcept { return rules_; }

    /// The verdict on one path, looking at its parents itself: for single questions.
    IgnoreVerdict match(std::string_view path) const;
    /// The same for a walker: `parent` is the state of the directory that holds `path`. When `path` is a
    /// directory, `state` receives what to pass on for its entries.
    IgnoreVerdict match(std::string_view path, const IgnoreState& parent, IgnoreState* state = nullptr) const;

    /// True if an exception could match below the ignored directory `path`: only then a walker need enter it.
    bool may_reinclude_below(std::string_view path) const;

  private:
    void add(std::string_view line, std::size_t number, Span span, Diagnostics& diagnostics);

    std::vector<IgnoreRule> rules_;
    bool has_exceptions_ = false;
};

}  // namespace imgbuild::parser
