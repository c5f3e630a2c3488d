// SPDX-License-Identifier: Apache-2.0
#include "parser/source/diagnostic.h"

#include "base/text.h"
#include "parser/source/utf8.h"

#include <fmt/format.h>

#include <algorithm>

namespace imgbuild::parser {
namespace {

constexpr std::size_t max_excerpt_bytes = 120;
constexpr std::size_t context_before_mark = 40;  // bytes of a long line that are shown before the marked place

/// The columns that printable text takes; every code point counts as one.
std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, begins_code_point));
}

/// A piece of a line as it can be shown: tabs as four blanks, so that the marks below stay in place.
std::string shown(std::string_view piece) {
    std::string out;
    for (const std::string_view part : split(piece, '\t')) {
        if (part.data() != piece.data()) out += "    ";
        out += printable(part);
    }
    return out;
}

/// Moves an offset back to the begin of its code point.
std::size_t whole(std::string_view line, std::size_t offset) {
    while (offset > 0 && offset < line.size() && !begins_code_point(line[offset])) --offset;
    return offset;
}

struct Excerpt {
    std::string text;
    std::string marks;
};

/// The line around [begin, end) with marks below that range; at least one mark.
Excerpt excerpt_of(std::string_view line, std::size_t begin, std::size_t end) {
    std::size_t first = 0;
    std::size_t last = line.size();
    if (line.size() > max_excerpt_bytes) {
        first = whole(line, begin > context_before_mark ? begin - context_before_mark : 0);
        last = whole(line, std::min(line.size(), first + max_excerpt_bytes));
    }
    end = std::min(end, last);
    const std::string lead = (first > 0 ? "…" : "") + shown(line.substr(first, begin - first));
    const std::string marked = shown(line.substr(begin, end - begin));
    const std::string rest = shown(line.substr(end, last - end)) + (last < line.size() ? "…" : "");
    return {lead + marked + rest,
            std::string(width(lead), ' ') + std::string(std::max<std::size_t>(1, width(marked)), '^')};
}

}  // namespace

Diagnostic make_error(Span span, std::string message, std::string hint) {
    return {.severity = Severity::error, .message = std::move(message), .span = span, .hint = std::move(hint)};
}

std::string location(Span span, const Source& source) {
    const Position position = source.position(span.begin);
    return fmt::format("{}:{}:{}", printable(source.name()), position.line, position.column);
}

std::string render(const Diagnostic& diagnostic, const Source& source) {
    const std::size_t number = source.line_of(diagnostic.span.begin);
    const std::size_t line_begin = source.line_span(number).begin;
    const std::string_view line = source.line(number);
    const std::size_t begin = std::min(diagnostic.span.begin - line_begin, line.size());
    const std::size_t end = std::max(begin, std::min(diagnostic.span.end - line_begin, line.size()));
    const Excerpt excerpt = excerpt_of(line, begin, end);

    const std::string margin(std::max<std::size_t>(3, fmt::formatted_size("{}", number)), ' ');
    std::string out =
        fmt::format("{}: {}: {}", location(diagnostic.span, source),
                    diagnostic.severity == Severity::error ? "error" : "warning", printable(diagnostic.message));
    if (!diagnostic.rule.empty()) out += fmt::format(" [{}]", diagnostic.rule);
    out += fmt::format("\n{:>{}} | {}\n{} | {}\n", number, margin.size(), excerpt.text, margin, excerpt.marks);
    if (!diagnostic.hint.empty()) out += fmt::format("{} = {}\n", margin, printable(diagnostic.hint));
    if (!diagnostic.url.empty()) out += fmt::format("{} = see {}\n", margin, printable(diagnostic.url));
    return out;
}

void Diagnostics::add(Diagnostic diagnostic) {
    if (diagnostic.severity == Severity::error) ++error_count_;
    if (kept_.size() < max_kept) {
        if (diagnostic.message.size() > max_message_bytes) {
            diagnostic.message.resize(whole(diagnostic.message, max_message_bytes));
            diagnostic.message += "…";
        }
        kept_.push_back(std::move(diagnostic));
    } else {
        ++omitted_;
    }
}

void Diagnostics::error(Span span, std::string message, std::string hint) {
    add(make_error(span, std::move(message), std::move(hint)));
}

void Diagnostics::append(const Diagnostics& others) {
    const std::size_t errors_kept =
        static_cast<std::size_t>(std::ranges::count(others.kept_, Severity::error, &Diagnostic::severity));
    for (const Diagnostic& other : others.kept_) add(other);
    error_count_ += others.error_count_ - errors_kept;
    omitted_ += others.omitted_;
}

void Diagnostics::sort_by_place() {
    std::ranges::stable_sort(kept_, {}, [](const Diagnostic& diagnostic) { return diagnostic.span.begin; });
}

std::string Diagnostics::render(const Source& source) const {
    std::string out;
    for (const Diagnostic& diagnostic : kept_) {
        if (!out.empty()) out += '\n';
        out += parser::render(diagnostic, source);
    }
    if (omitted_ > 0) out += fmt::format("\n{} more not shown\n", omitted_);
    return out;
}

}  // namespace imgbuild::parser
