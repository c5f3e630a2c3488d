// SPDX-License-Identifier: Apache-2.0
#include "parser/instruction/instruction.h"

#include "base/text.h"
#include "parser/instruction/detail/instruction_parser.h"
#include "parser/source/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace imgbuild::parser {
namespace {

using BodyParser = std::optional<InstructionBody> (*)(detail::InstructionParser&);

struct KeywordRule {
    std::string_view keyword;
    BodyParser parse;  ///< null: ONBUILD, which is not one of its own
};

/// In the order of InstructionBody's alternatives.
constexpr std::array<KeywordRule, std::variant_size_v<InstructionBody>> keyword_rules{{
    {"FROM", detail::parse_from},
    {"RUN", detail::parse_run},
    {"CMD", detail::parse_cmd},
    {"ENTRYPOINT", detail::parse_entrypoint},
    {"ENV", detail::parse_env},
    {"LABEL", detail::parse_label},
    {"EXPOSE", detail::parse_expose},
    {"ADD", detail::parse_add},
    {"COPY", detail::parse_copy},
    {"VOLUME", detail::parse_volume},
    {"USER", detail::parse_user},
    {"WORKDIR", detail::parse_workdir},
    {"ARG", detail::parse_arg},
    {"ONBUILD", nullptr},
    {"STOPSIGNAL", detail::parse_stopsignal},
    {"HEALTHCHECK", detail::parse_healthcheck},
    {"SHELL", detail::parse_shell},
    {"MAINTAINER", detail::parse_maintainer},
}};

const KeywordRule* find_rule(std::string_view keyword) {
    const auto rule = std::ranges::find(keyword_rules, keyword, &KeywordRule::keyword);
    return rule == keyword_rules.end() ? nullptr : &*rule;
}

void report_unknown(const detail::InstructionParser& parser, std::string_view written, Diagnostics& diagnostics) {
    std::vector<std::string_view> keywords;
    for (const KeywordRule& rule : keyword_rules) keywords.push_back(rule.keyword);
    const std::optional<std::string> near = nearest(written, keywords);
    diagnostics.error(parser.keyword_span(), fmt::format("unknown instruction: {}", written),
                      near ? fmt::format("did you mean {}?", *near) : "");
}

std::string without_leading_tabs(std::string_view text) {
    std::string out;
    for (const std::string_view line : split(text, '\n')) {
        if (line.data() != text.data()) out += '\n';
        out += line.substr(std::min(line.find_first_not_of('\t'), line.size()));
    }
    return out;
}

/// The rules that `# check=skip=A,B reason` names.
void read_skipped_checks(std::string_view comment, std::vector<std::string>& skipped) {
    constexpr std::string_view prefix = "check=skip=";
    if (!comment.starts_with(prefix)) return;
    comment.remove_prefix(prefix.size());
    for (const std::string_view rule : split(comment.substr(0, comment.find(' ')), ','))
        skipped.emplace_back(trim(rule));
}

/// " (first line...)" for a RUN that is one heredoc, as step labels show it.
std::string heredoc_summary(const InstructionSyntax& syntax, const InstructionBody& body) {
    const TextRange arguments{syntax.parts.arguments, syntax.line.text().size()};
    const bool is_script = std::holds_alternative<Run>(body) && syntax.heredocs.size() == 1 &&
                           syntax.heredocs.front().word.range == arguments;
    if (!is_script) return {};
    const std::string_view content = trim(syntax.heredocs.front().body);
    const std::size_t end = content.find('\n');
    return fmt::format(" ({}{})", trim(content.substr(0, end)), end == std::string_view::npos ? "" : "...");
}

}  // namespace

Word Heredoc::content() const {
    return {.text = strip_tabs ? without_leading_tabs(body) : body,
            .span = span,
            .style = expand ? WordStyle::heredoc : WordStyle::literal};
}

std::string_view canonical_keyword(const InstructionBody& body) noexcept { return keyword_rules[body.index()].keyword; }

namespace detail {
namespace {

std::optional<InstructionBody> parse_onbuild(InstructionParser& parser, const InstructionSyntax& syntax) {
    parser.check_flags({});
    if (!parser.require_arguments()) return std::nullopt;
    const InstructionParts inner = cut_instruction(parser.text(), parser.arguments_range().begin, parser.escape());
    const InstructionParser inner_parser(syntax, inner, parser.escape(), parser.diagnostics());
    const std::string& keyword = inner_parser.keyword();
    if (keyword == "ONBUILD") {
        parser.error(inner_parser.keyword_span(), "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
        return std::nullopt;
    }
    if (keyword == "FROM" || keyword == "MAINTAINER") {
        parser.error(inner_parser.keyword_span(), fmt::format("{} isn't allowed as an ONBUILD trigger", keyword));
        return std::nullopt;
    }
    if (!parse_body(syntax, inner, parser.escape(), parser.diagnostics())) return std::nullopt;

    Onbuild onbuild{.trigger = std::string(parser.arguments()), .span = parser.arguments_span()};
    for (const HeredocSyntax& heredoc : syntax.heredocs) onbuild.trigger += "\n" + heredoc.body + heredoc.word.name;
    return onbuild;
}

}  // namespace

std::optional<InstructionBody> parse_body(const InstructionSyntax& syntax, const InstructionParts& parts, char escape,
                                          Diagnostics& diagnostics) {
    InstructionParser parser(syntax, parts, escape, diagnostics);
    const KeywordRule* rule = find_rule(parser.keyword());
    if (!rule) {
        report_unknown(parser, parts.keyword.of(syntax.line.text()), diagnostics);
        return std::nullopt;
    }
    const std::size_t errors_before = diagnostics.error_count();
    std::optional<InstructionBody> body = rule->parse ? rule->parse(parser) : parse_onbuild(parser, syntax);
    return diagnostics.error_count() == errors_before ? std::move(body) : std::nullopt;
}

}  // namespace detail

std::optional<Instruction> parse_instruction(const InstructionSyntax& syntax, char escape, const Source& source,
                                             Diagnostics& diagnostics) {
    const std::string& text = syntax.line.text();
    if (const std::optional<std::size_t> invalid = find_invalid_utf8(text)) {
        diagnostics.error(syntax.line.span(*invalid, *invalid + 1), "invalid UTF-8 in an instruction",
                          "save the file as UTF-8");
        return std::nullopt;
    }
    std::optional<InstructionBody> body = detail::parse_body(syntax, syntax.parts, escape, diagnostics);
    if (!body) return std::nullopt;

    Instruction instruction{.body = std::move(*body),
                            .keyword = std::string(syntax.parts.keyword.of(text)),
                            .span = syntax.span,
                            .keyword_span = syntax.line.span(syntax.parts.keyword.begin, syntax.parts.keyword.end),
                            .empty_continuation = syntax.empty_continuation};
    instruction.text = fmt::format("{}{}{}", canonical_keyword(instruction.body), text.substr(syntax.parts.keyword.end),
                                   heredoc_summary(syntax, instruction.body));
    for (const Span span : syntax.comments) {
        instruction.comments.emplace_back(trim(source.slice(span).substr(1)));
        read_skipped_checks(instruction.comments.back(), instruction.skipped_checks);
    }
    return instruction;
}

}  // namespace imgbuild::parser
