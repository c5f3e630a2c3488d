// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the parsers of single instructions share: the text with its places, and the flags.

#include "parser/instruction/instruction.h"
#include "parser/instruction/values.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild::parser::detail {

enum class FlagKind { value, boolean, list };
struct FlagRule {
    std::string_view name;
    FlagKind kind;
};

/// One instruction on its way from syntax to type. Its methods that read report what is wrong.
class InstructionParser {
  public:
    InstructionParser(const InstructionSyntax& syntax, InstructionParts parts, char escape, Diagnostics& diagnostics);

    /// The keyword in capitals.
    const std::string& keyword() const { return keyword_; }
    std::string_view text() const { return syntax_.line.text(); }
    char escape() const { return escape_; }
    Diagnostics& diagnostics() { return diagnostics_; }
    const std::vector<HeredocSyntax>& heredocs() const { return syntax_.heredocs; }

    TextRange arguments_range() const { return {parts_.arguments, text().size()}; }
    std::string_view arguments() const { return text().substr(parts_.arguments); }
    bool has_arguments() const { return !arguments().empty(); }

    Span span(TextRange range) const { return syntax_.line.span(range.begin, range.end); }
    Span keyword_span() const { return span(parts_.keyword); }
    /// The arguments; for an instruction without any, the keyword.
    Span arguments_span() const { return has_arguments() ? span(arguments_range()) : keyword_span(); }
    Word word(TextRange range) const { return make_word(std::string(range.of(text())), span(range)); }
    Word make_word(std::string word_text, Span place) const;

    void error(Span place, std::string message, std::string hint = {});
    /// Reports `found`, if there is one.
    void error(Span place, std::optional<ValueError> found);
    /// Reports wrong quotes and ${…}.
    void check(const Word& word);
    /// The expansion of a word without variables, for checks at this early time; reports as check() does.
    std::optional<std::string> constant(const Word& word);
    /// "X requires at least one argument" and the like, unless there are arguments.
    bool require_arguments(std::string_view count = "at least one argument");

    /// Judges the instruction's flags: each is known, has a value of its kind, and stands once.
    void check_flags(const std::vector<FlagRule>& rules);
    /// Warns of each flag of an instruction that has none and takes them silently in the reference.
    void ignore_flags();
    const ScannedFlag* flag(std::string_view name) const;
    std::vector<const ScannedFlag*> flags(std::string_view name) const;
    std::optional<Word> flag_word(std::string_view name) const;
    /// Empty when the flag is not there.
    std::optional<bool> flag_switch(std::string_view name) const;

    /// JSON or plain words, each with its place; empty after an error.
    std::vector<Word> json_or_words();
    /// JSON or shell form, from `begin` to the end of the text.
    Command command(std::size_t begin);

  private:
    const InstructionSyntax& syntax_;
    InstructionParts parts_;
    char escape_;
    Diagnostics& diagnostics_;
    std::string keyword_;
};

Heredoc make_heredoc(const InstructionParser& parser, const HeredocSyntax& syntax);

std::optional<InstructionBody> parse_from(InstructionParser& parser);
std::optional<InstructionBody> parse_run(InstructionParser& parser);
std::optional<InstructionBody> parse_copy(InstructionParser& parser);
std::optional<InstructionBody> parse_add(InstructionParser& parser);
std::optional<InstructionBody> parse_env(InstructionParser& parser);
std::optional<InstructionBody> parse_label(InstructionParser& parser);
std::optional<InstructionBody> parse_arg(InstructionParser& parser);
std::optional<InstructionBody> parse_expose(InstructionParser& parser);
std::optional<InstructionBody> parse_volume(InstructionParser& parser);
std::optional<InstructionBody> parse_user(InstructionParser& parser);
std::optional<InstructionBody> parse_workdir(InstructionParser& parser);
std::optional<InstructionBody> parse_stopsignal(InstructionParser& parser);
std::optional<InstructionBody> parse_maintainer(InstructionParser& parser);
std::optional<InstructionBody> parse_cmd(InstructionParser& parser);
std::optional<InstructionBody> parse_entrypoint(InstructionParser& parser);
std::optional<InstructionBody> parse_shell(InstructionParser& parser);
std::optional<InstructionBody> parse_healthcheck(InstructionParser& parser);

/// The body of the instruction that `parts` cuts out of the line; what ONBUILD holds is parsed by it too.
std::optional<InstructionBody> parse_body(const InstructionSyntax& syntax, const InstructionParts& parts, char escape,
                                          Diagnostics& diagnostics);

}  // namespace imgbuild::parser::detail
