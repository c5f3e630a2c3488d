// SPDX-License-Identifier: Apache-2.0
#include "parser/instruction/detail/instruction_parser.h"
#include "base/text.h"
#include "parser/lexer/json_array.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace imgbuild::parser::detail {
namespace {

constexpr std::string_view only_strings = "when using JSON array syntax, arrays must be comprised of strings only";

std::string to_upper(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return out;
}

std::string unknown_flag_hint(std::string_view name, const std::vector<FlagRule>& rules) {
    std::vector<std::string_view> names;
    for (const FlagRule& rule : rules) names.push_back(rule.name);
    if (const std::optional<std::string> near = nearest(name, names)) return fmt::format("did you mean --{}?", *near);
    return names.empty() ? "this instruction has no flags" : fmt::format("there are --{}", fmt::join(names, ", --"));
}

}  // namespace

InstructionParser::InstructionParser(const InstructionSyntax& syntax, InstructionParts parts, char escape,
                                     Diagnostics& diagnostics)
    : syntax_(syntax),
      parts_(std::move(parts)),
      escape_(escape),
      diagnostics_(diagnostics),
      keyword_(to_upper(parts_.keyword.of(syntax.line.text()))) {}

Word InstructionParser::make_word(std::string word_text, Span place) const {
    return {.text = std::move(word_text), .span = place, .style = WordStyle::shell, .escape = escape_};
}

void InstructionParser::error(Span place, std::string message, std::string hint) {
    diagnostics_.error(place, std::move(message), std::move(hint));
}

void InstructionParser::error(Span place, std::optional<ValueError> found) {
    if (found) error(place, std::move(found->message), std::move(found->hint));
}

void InstructionParser::check(const Word& checked) {
    if (std::optional<Diagnostic> wrong = check_syntax(checked)) diagnostics_.add(std::move(*wrong));
}

std::optional<std::string> InstructionParser::constant(const Word& checked) {
    check(checked);
    if (has_variables(checked)) return std::nullopt;
    Expansion expansion = expand(checked, {});
    return expansion.ok() ? std::optional(std::move(expansion.text)) : std::nullopt;
}

bool InstructionParser::require_arguments(std::string_view count) {
    if (!has_arguments()) error(keyword_span(), fmt::format("{} requires {}", keyword_, count));
    return has_arguments();
}

void InstructionParser::check_flags(const std::vector<FlagRule>& rules) {
    std::set<std::string_view> seen;
    for (const ScannedFlag& flag : parts_.flags) {
        const auto rule = std::ranges::find(rules, flag.name, &FlagRule::name);
        if (rule == rules.end()) {
            error(span(flag.range), fmt::format("unknown flag: --{}", flag.name), unknown_flag_hint(flag.name, rules));
            continue;
        }
        const bool repeated = !seen.insert(flag.name).second;
        if (repeated && rule->kind != FlagKind::list) {
            error(span(flag.range), fmt::format("duplicate flag specified: --{}", flag.name), "give it once");
        }
        if (rule->kind == FlagKind::boolean) {
            const std::string value = to_lower(flag.value.value_or("true"));
            if (value != "true" && value != "false") {
                error(span(flag.range),
                      fmt::format("expecting boolean value for flag --{}, not: {}", flag.name, *flag.value),
                      "write true or false");
            }
        } else if (!flag.value) {
            error(span(flag.range), fmt::format("missing a value on flag: --{}", flag.name),
                  fmt::format("write --{}=VALUE", flag.name));
        }
    }
}

void InstructionParser::ignore_flags() {
    for (const ScannedFlag& flag : parts_.flags) {
        diagnostics_.add({.severity = Severity::warning,
                          .message = fmt::format("{} has no flags: --{} is left out", keyword_, flag.name),
                          .span = span(flag.range),
                          .hint = "other builders leave it out without a word; take it out"});
    }
}

const ScannedFlag* InstructionParser::flag(std::string_view name) const {
    const auto found = std::ranges::find(parts_.flags, name, &ScannedFlag::name);
    return found == parts_.flags.end() ? nullptr : &*found;
}

std::vector<const ScannedFlag*> InstructionParser::flags(std::string_view name) const {
    std::vector<const ScannedFlag*> found;
    for (const ScannedFlag& flag : parts_.flags) {
        if (flag.name == name && flag.value) found.push_back(&flag);
    }
    return found;
}

std::optional<Word> InstructionParser::flag_word(std::string_view name) const {
    const ScannedFlag* found = flag(name);
    if (!found || !found->value) return std::nullopt;
    return make_word(*found->value, span(found->value_range));
}

std::optional<bool> InstructionParser::flag_switch(std::string_view name) const {
    const ScannedFlag* found = flag(name);
    if (!found) return std::nullopt;
    return to_lower(found->value.value_or("true")) == "true";
}

std::vector<Word> InstructionParser::json_or_words() {
    std::vector<Word> words;
    JsonArray array = read_json_array(text(), parts_.arguments);
    switch (array.kind) {
        case JsonArray::Kind::of_others:
            error(arguments_span(), std::string(only_strings), "put each element in double quotes");
            break;
        case JsonArray::Kind::of_strings:
            for (std::size_t i = 0; i < array.values.size(); ++i)
                words.push_back(make_word(std::move(array.values[i]), span(array.ranges[i])));
            break;
        case JsonArray::Kind::no_array:
            for (const TextRange range : split_plain(text(), parts_.arguments)) words.push_back(word(range));
            break;
    }
    return words;
}

Command InstructionParser::command(std::size_t begin) {
    JsonArray array = read_json_array(text(), begin);
    Command command{.exec = array.kind != JsonArray::Kind::no_array,
                    .arguments = std::move(array.values),
                    .span = span({begin, text().size()})};
    if (array.kind == JsonArray::Kind::of_others)
        error(command.span, std::string(only_strings), "put each element in double quotes");
    if (!command.exec) command.text = text().substr(begin);
    return command;
}

Heredoc make_heredoc(const InstructionParser& parser, const HeredocSyntax& syntax) {
    return {.name = syntax.word.name,
            .descriptor = syntax.word.descriptor,
            .strip_tabs = syntax.word.strip_tabs,
            .expand = syntax.word.expand,
            .body = syntax.body,
            .span = parser.span(syntax.word.range),
            .body_span = syntax.body_span};
}

}  // namespace imgbuild::parser::detail
