// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "parser/buildfile/buildfile.h"
#include "parser/syntax/directive.h"

#include <fmt/format.h>

#include <algorithm>

namespace imgbuild::parser {
namespace {

/// Refuses what is no Buildfile at all; the parser would drown in its faults.
bool is_text(const Source& source, Diagnostics& diagnostics) {
    const std::string& text = source.text();
    if (text.empty()) {
        diagnostics.error({}, "the Dockerfile cannot be empty", "a Buildfile begins with FROM");
    } else if (text.size() > Source::max_bytes) {
        diagnostics.error({}, fmt::format("the file is larger than {}", human_size(Source::max_bytes)));
    } else if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
        diagnostics.error({0, 2}, "the file is UTF-16", "save it as UTF-8");
    } else if (const std::size_t zero = text.find('\0'); zero != std::string::npos) {
        diagnostics.error({zero, zero + 1}, "the file holds a NUL byte", "is it a binary file?");
    }
    return diagnostics.empty();
}

/// The frontend that `# syntax=` asks for is built in, or it is none of ours.
void note_syntax(const Directive& syntax, Diagnostics& diagnostics) {
    std::string_view frontend = std::string_view(syntax.value).substr(0, syntax.value.find(' '));
    if (frontend.starts_with("docker.io/")) frontend.remove_prefix(10);
    if (frontend.starts_with("docker/dockerfile") || frontend == "dockerfile.v0") return;
    diagnostics.add({.severity = Severity::warning,
                     .message = fmt::format("the frontend {} is not used: imgbuild reads the file itself", frontend),
                     .span = syntax.span,
                     .hint = "take the line out, or name docker/dockerfile:1"});
}

/// The frontend that a file in another language than ours asks for, in its own comments or as JSON; empty when it
/// does not.
std::string foreign_frontend(const Source& source) {
    const std::string_view first = trim(source.line(1));
    if (first.starts_with("//")) {
        const Source comment("comment", "#" + std::string(first.substr(2)));
        Diagnostics ignored;
        const auto directive = DirectiveScanner().scan(comment.line_span(1), comment, ignored);
        return directive && directive->name == "syntax" ? directive->value : "";
    }
    if (!first.starts_with('{')) return {};
    try {
        const Json document = parse_json(source.text(), source.name());
        const auto syntax = document.find("syntax");
        return syntax != document.end() && syntax->is_string() ? syntax->get<std::string>() : "";
    } catch (const Error&) {
        return {};  // no JSON either: a Buildfile with faults of its own
    }
}

class BuildfileParser {
  public:
    BuildfileParser(const Source& source, ParseResult& result)
        : source_(source), buildfile_(result.buildfile), tree_(result.tree), diagnostics_(result.diagnostics) {}

    void parse() {
        buildfile_.directives.escape = tree_.escape;
        for (const SyntaxNode& node : tree_.nodes) {
            if (node.directive) add_directive(*node.directive, node.tokens.front().kind == TokenKind::blank);
            if (!node.instruction) continue;
            const std::size_t stages_before = buildfile_.stages.size();
            add_instruction(*node.instruction);
            if (buildfile_.stages.size() > stages_before)
                buildfile_.stages.back().instructions.reserve(instructions_after(node));
        }
        if (!seen_instruction_) {
            diagnostics_.error({}, "file with no instructions", "a Buildfile begins with FROM");
        } else if (buildfile_.stages.empty() && !seen_from_ && !diagnostics_.has_errors()) {
            diagnostics_.error(buildfile_.global_args.back().keyword_span, "dockerfile contains no stages to build",
                               "add a FROM line");
        }
        // With a stage lost, indexes and names would point to the wrong ones.
        if (lost_stage_) return;
        for (const Stage& stage : buildfile_.stages) check_references(stage);
    }

  private:
    /// How many instructions follow until the next FROM, so that a stage need not grow.
    std::size_t instructions_after(const SyntaxNode& from) const;
    void add_directive(const DirectiveSyntax& syntax, bool indented);
    void add_instruction(const InstructionSyntax& syntax);
    void check_references(const Stage& stage);

    const Source& source_;
    Buildfile& buildfile_;
    const SyntaxTree& tree_;
    Diagnostics& diagnostics_;
    bool seen_instruction_ = false;
    bool seen_from_ = false;
    bool complained_of_stage_ = false;  ///< once is enough
    bool in_lost_stage_ = false;        ///< its FROM is wrong: what follows is checked and dropped
    bool lost_stage_ = false;           ///< there was such a stage
};

std::size_t BuildfileParser::instructions_after(const SyntaxNode& from) const {
    std::size_t count = 0;
    for (const SyntaxNode* node = &from + 1; node != tree_.nodes.data() + tree_.nodes.size(); ++node) {
        if (!node->instruction) continue;
        if (to_lower(node->instruction->parts.keyword.of(node->instruction->line.text())) == "from") break;
        ++count;
    }
    return count;
}

void BuildfileParser::add_directive(const DirectiveSyntax& syntax, bool indented) {
    if (indented && syntax.name != "escape") {
        diagnostics_.add({.severity = Severity::warning,
                          .message = fmt::format("an indented {} directive has no effect", syntax.name),
                          .span = syntax.value_span,
                          .hint = "take out the blanks before the #"});
        return;
    }
    const Directive directive{syntax.value, syntax.value_span};
    if (syntax.name == "check") buildfile_.directives.check = directive;
    if (syntax.name != "syntax") return;
    buildfile_.directives.syntax = directive;
    note_syntax(directive, diagnostics_);
}

void BuildfileParser::add_instruction(const InstructionSyntax& syntax) {
    seen_instruction_ = true;
    const std::string keyword = to_lower(syntax.parts.keyword.of(syntax.line.text()));
    if (keyword == "from") {
        seen_from_ = true;
        in_lost_stage_ = false;
    }
    std::optional<Instruction> instruction = parse_instruction(syntax, tree_.escape, source_, diagnostics_);
    if (!instruction) {
        if (keyword == "from") in_lost_stage_ = lost_stage_ = true;
        return;
    }
    if (keyword == "from") {
        buildfile_.stages.push_back({.index = buildfile_.stages.size(),
                                     .declaration = std::move(*instruction),
                                     .instructions = {},
                                     .span = syntax.span});
    } else if (in_lost_stage_) {
        return;
    } else if (!buildfile_.stages.empty()) {
        buildfile_.stages.back().span.end = syntax.span.end;
        buildfile_.stages.back().instructions.push_back(std::move(*instruction));
    } else if (keyword == "arg") {
        buildfile_.global_args.push_back(std::move(*instruction));
    } else if (!std::exchange(complained_of_stage_, true)) {
        diagnostics_.error(instruction->keyword_span, "no build stage in current context",
                           "only ARG may stand before the first FROM");
    }
}

void BuildfileParser::check_references(const Stage& stage) {
    const auto report = [&](StageReference reference) {
        if (Diagnostic* wrong = std::get_if<Diagnostic>(&reference)) diagnostics_.add(std::move(*wrong));
    };
    for (const Instruction& instruction : stage.instructions) {
        if (const Copy* copy = std::get_if<Copy>(&instruction.body); copy && copy->from) {
            report(resolve_copy_from(buildfile_, *copy->from, stage.index, copy->from_span));
        }
        const Run* run = std::get_if<Run>(&instruction.body);
        if (!run) continue;
        for (const MountFlag& mount : run->mounts) {
            if (mount.from) report(resolve_mount_from(buildfile_, *mount.from, stage.index, mount.from_span));
        }
    }
}

}  // namespace

ParseResult parse_buildfile(const Source& source) {
    ParseResult result;
    if (!is_text(source, result.diagnostics)) return result;
    if (const std::string frontend = foreign_frontend(source); !frontend.empty()) {
        result.diagnostics.error({0, source.line(1).size()},
                                 fmt::format("the file is written for the frontend {}", frontend),
                                 "imgbuild reads the Dockerfile language only");
        return result;
    }
    result.tree = parse_syntax(source, result.diagnostics);
    BuildfileParser(source, result).parse();
    result.diagnostics.sort_by_place();
    return result;
}

TriggerResult parse_trigger(std::string_view text, Span span) {
    TriggerResult result;
    const Source source("ONBUILD trigger", std::string(text));
    Diagnostics found;
    if (text.size() > Source::max_bytes || text.find('\0') != std::string_view::npos || trim(text).empty()) {
        found.error(span, "it is no instruction");
    } else {
        const InstructionSyntax syntax = parse_detached_instruction(text, span, found);
        result.instruction = parse_instruction(syntax, '\\', source, found);
    }
    if (result.instruction) {
        const std::string_view keyword = canonical_keyword(result.instruction->body);
        if (keyword == "FROM" || keyword == "ONBUILD" || keyword == "MAINTAINER") {
            found.error(span, fmt::format("{} isn't allowed as an ONBUILD trigger", keyword));
        }
    }
    if (found.has_errors()) result.instruction.reset();
    for (Diagnostic diagnostic : found) {
        diagnostic.message =
            fmt::format("ONBUILD trigger \"{}\": {}", text.substr(0, text.find('\n')), diagnostic.message);
        result.diagnostics.add(std::move(diagnostic));
    }
    return result;
}

}  // namespace imgbuild::parser
