// SPDX-License-Identifier: Apache-2.0
#include "parser/syntax/directive.h"

#include "base/ascii.h"
#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace imgbuild::parser {
namespace {

/// `# name = value` in `line`, whatever the name.
std::optional<DirectiveSyntax> read_directive(Span line, const Source& source) {
    std::string_view text = trim(source.slice(line));
    if (!text.starts_with('#')) return std::nullopt;
    text = trim(text.substr(1));
    std::size_t name_end = 0;
    while (name_end < text.size() && (is_letter(text[name_end]) || (name_end > 0 && is_digit(text[name_end]))))
        ++name_end;
    const std::string_view rest = trim(text.substr(name_end));
    if (name_end == 0 || !rest.starts_with('=')) return std::nullopt;
    const std::string_view value = trim(rest.substr(1));
    if (value.empty()) return std::nullopt;
    const std::size_t begin = static_cast<std::size_t>(value.data() - source.text().data());
    return DirectiveSyntax{to_lower(text.substr(0, name_end)), std::string(value), {begin, begin + value.size()}};
}

}  // namespace

std::optional<DirectiveSyntax> DirectiveScanner::scan(Span line, const Source& source, Diagnostics& diagnostics) {
    if (done_) return std::nullopt;
    std::optional<DirectiveSyntax> directive = read_directive(line, source);
    const bool known =
        directive && (directive->name == "syntax" || directive->name == "escape" || directive->name == "check");
    if (!known) {
        done_ = true;
        return std::nullopt;
    }
    if (!accept(*directive, line, diagnostics)) return std::nullopt;
    return directive;
}

bool DirectiveScanner::accept(const DirectiveSyntax& directive, Span line, Diagnostics& diagnostics) {
    if (std::ranges::find(seen_, directive.name) != seen_.end()) {
        diagnostics.error(line, fmt::format("only one {} parser directive can be used", directive.name),
                          "take one of them out");
        return false;
    }
    seen_.push_back(directive.name);
    if (directive.name != "escape") return true;
    if (directive.value != "\\" && directive.value != "`") {
        diagnostics.error(directive.value_span,
                          fmt::format("invalid escape token '{}' does not match ` or \\", directive.value));
        return false;
    }
    escape_ = directive.value.front();
    return true;
}

}  // namespace imgbuild::parser
