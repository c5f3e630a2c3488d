// SPDX-License-Identifier: Apache-2.0
#pragma once

// Parser directives, `# name=value`: the first lines of a file, up to the first line that is none.

#include "parser/source/diagnostic.h"
#include "parser/source/source.h"
#include "parser/syntax/syntax_tree.h"

#include <optional>
#include <string>
#include <vector>

namespace imgbuild::parser {

/// Sees the lines of a file in order and tells which are directives.
class DirectiveScanner {
  public:
    /// `line` is the place of a line without its ending. Empty for a line that is no directive, which ends the
    /// directives for good; also for a repeated or wrong one, which goes to `diagnostics` and does not end them.
    std::optional<DirectiveSyntax> scan(Span line, const Source& source, Diagnostics& diagnostics);

    /// A line that is no comment: no directive can follow.
    void finish() noexcept { done_ = true; }

    char escape() const noexcept { return escape_; }

  private:
    bool accept(const DirectiveSyntax& directive, Span line, Diagnostics& diagnostics);

    std::vector<std::string> seen_;
    bool done_ = false;
    char escape_ = '\\';
};

}  // namespace imgbuild::parser
