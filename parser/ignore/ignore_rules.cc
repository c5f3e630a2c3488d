// SPDX-License-Identifier: Apache-2.0
#include "parser/ignore/ignore_rules.h"

#include "base/text.h"
#include "parser/source/path_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace imgbuild::parser {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// A pattern as it is matched: "a//b/../c/" is "a/c", "/x" and "./x" are "x".
std::string clean_pattern(std::string_view pattern) {
    const std::string cleaned = clean_path(pattern);
    if (cleaned.empty()) return ".";
    return cleaned.starts_with('/') ? cleaned.substr(1) : cleaned;
}

/// True if the rule changes the verdict where it matches.
bool flips(const IgnoreRule& rule, bool ignored) { return rule.exception == ignored; }

}  // namespace

void IgnoreRules::add(std::string_view line, std::size_t number, Span span, Diagnostics& diagnostics) {
    std::string_view text = trim(line);
    if (text.empty()) return;
    const bool exception = text.starts_with('!');
    if (exception) text = trim(text.substr(1));
    if (text.empty()) {
        diagnostics.error(span, "illegal exclusion pattern: \"!\"", "write !PATTERN, or take the line out");
        return;
    }
    IgnoreRule rule{.pattern = clean_pattern(text), .exception = exception, .line = number, .compiled = {}};
    std::string problem;
    std::optional<PathPattern> compiled = PathPattern::compile(rule.pattern, PatternDialect::ignore, problem);
    if (!compiled) {
        diagnostics.error(span, fmt::format("syntax error in pattern: {}: {}", text, problem),
                          "a backslash makes the next character ordinary");
        return;
    }
    rule.compiled = std::move(*compiled);
    has_exceptions_ = has_exceptions_ || exception;
    rules_.push_back(std::move(rule));
}

IgnoreRules IgnoreRules::parse(const Source& source, Diagnostics& diagnostics) {
    IgnoreRules rules;
    if (source.text().empty()) return rules;
    for (std::size_t number = 1; number <= source.line_count(); ++number) {
        std::string_view line = source.line(number);
        if (number == 1 && line.starts_with(byte_order_mark)) line.remove_prefix(byte_order_mark.size());
        if (line.starts_with('#')) continue;
        const std::size_t begin = static_cast<std::size_t>(line.data() - source.text().data());
        rules.add(line, number, {begin, begin + line.size()}, diagnostics);
    }
    return rules;
}

IgnoreRules IgnoreRules::from_patterns(std::span<const std::string> patterns, Span span, Diagnostics& diagnostics) {
    IgnoreRules rules;
    for (std::size_t i = 0; i < patterns.size(); ++i) rules.add(patterns[i], i + 1, span, diagnostics);
    return rules;
}

IgnoreVerdict IgnoreRules::match(std::string_view path) const {
    IgnoreState state;
    for (std::size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
        IgnoreState next;
        match(path.substr(0, slash), state, &next);
        state = std::move(next);
    }
    return match(path, state);
}

IgnoreVerdict IgnoreRules::match(std::string_view path, const IgnoreState& parent, IgnoreState* state) const {
    IgnoreVerdict verdict;
    if (state) state->matched_.assign(rules_.size(), false);
    for (std::size_t i = 0; i < rules_.size(); ++i) {
        const IgnoreRule& rule = rules_[i];
        const bool above = !parent.matched_.empty() && parent.matched_[i];
        // Whoever passes a state on needs every answer; else a rule that changes nothing is not asked.
        if (!state && !flips(rule, verdict.ignored)) continue;
        const bool matched = above || rule.compiled.matches(path);
        if (state) state->matched_[i] = matched;
        if (matched && flips(rule, verdict.ignored)) verdict = {!rule.exception, rule.line};
    }
    return verdict;
}

bool IgnoreRules::may_reinclude_below(std::string_view path) const {
    return has_exceptions_ && std::ranges::any_of(rules_, [&](const IgnoreRule& rule) {
               return rule.exception && (rule.compiled.matches(path) || rule.compiled.may_match_below(path));
           });
}

}  // namespace imgbuild::parser
