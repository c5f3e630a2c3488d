// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/text.h"
#include "parser/buildfile/detail/checker.h"

namespace imgbuild::parser::detail {
namespace {

bool is_lower(std::string_view text) { return to_lower(text) == text; }
bool is_upper(std::string_view text) {
    return std::ranges::none_of(text, [](char c) { return c >= 'a' && c <= 'z'; });
}

template <class Action>
void for_each_instruction(const Buildfile& buildfile, Action&& action) {
    for (const Instruction& argument : buildfile.global_args) action(argument);
    for (const Stage& stage : buildfile.stages) {
        action(stage.declaration);
        for (const Instruction& instruction : stage.instructions) action(instruction);
    }
}

void check_keyword_casing(Checker& checker) {
    std::size_t lower = 0;
    std::size_t upper = 0;
    for_each_instruction(checker.buildfile, [&](const Instruction& instruction) {
        lower += is_lower(instruction.keyword) ? 1 : 0;
        upper += is_upper(instruction.keyword) ? 1 : 0;
    });
    const bool wants_lower = lower > upper;
    for_each_instruction(checker.buildfile, [&](const Instruction& instruction) {
        if (wants_lower ? is_lower(instruction.keyword) : is_upper(instruction.keyword)) return;
        checker.warn("ConsistentInstructionCasing", instruction, instruction.keyword_span,
                     fmt::format("Command '{}' should match the case of the command majority ({})", instruction.keyword,
                                 wants_lower ? "lowercase" : "uppercase"));
    });
}

/// The reference reports an empty line of a continuation at the instruction's last line.
void check_continuation(Checker& checker, const Instruction& instruction) {
    if (!instruction.empty_continuation) return;
    const std::size_t end = instruction.span.end;
    checker.warn("NoEmptyContinuation", instruction, {end - 1, end}, "Empty continuation line",
                 "take out the blank lines between the first line of the instruction and this one");
}

bool is_secret_name(std::string_view name) {
    constexpr std::array<std::string_view, 10> secret{"apikey",   "auth",  "credential", "credentials", "key",
                                                      "password", "pword", "passwd",     "secret",      "token"};
    constexpr std::array<std::string_view, 3> harmless{"public", "file", "version"};
    const std::string lower = to_lower(name);
    const auto holds_any_of = [&](std::span<const std::string_view> words) {
        return std::ranges::any_of(
            split(lower, '_'), [&](std::string_view part) { return std::ranges::find(words, part) != words.end(); });
    };
    return holds_any_of(secret) && !holds_any_of(harmless);
}

void check_secret(Checker& checker, const Instruction& instruction, std::string_view name, Span span) {
    if (!is_secret_name(name)) return;
    checker.warn("SecretsUsedInArgOrEnv", instruction, span,
                 fmt::format("Do not use ARG or ENV instructions for sensitive data ({} \"{}\")",
                             canonical_keyword(instruction.body), name),
                 "RUN --mount=type=secret keeps a secret out of the image");
}

void check_legacy_form(Checker& checker, const Instruction& instruction, bool legacy) {
    if (!legacy) return;
    checker.warn("LegacyKeyValueFormat", instruction, instruction.span,
                 fmt::format("\"{0} key=value\" should be used instead of legacy \"{0} key value\" format",
                             canonical_keyword(instruction.body)));
}

void check_forms(Checker& checker, const Instruction& instruction) {
    check_continuation(checker, instruction);
    if (const Env* env = std::get_if<Env>(&instruction.body)) {
        check_legacy_form(checker, instruction, env->legacy);
        for (const KeyValue& pair : env->pairs) {
            const Expansion name = expand(pair.key, {});
            check_secret(checker, instruction, name.ok() ? name.text : pair.key.text, pair.key.span);
        }
    } else if (const Label* label = std::get_if<Label>(&instruction.body)) {
        check_legacy_form(checker, instruction, label->legacy);
    } else if (const Arg* arg = std::get_if<Arg>(&instruction.body)) {
        for (const ArgEntry& entry : arg->entries) check_secret(checker, instruction, entry.name, entry.span);
    } else if (std::holds_alternative<Maintainer>(instruction.body)) {
        checker.warn("MaintainerDeprecated", instruction, instruction.span,
                     "Maintainer instruction is deprecated in favor of using label",
                     "write LABEL org.opencontainers.image.authors=\"…\"");
    }
}

/// A comment directly above a named stage or an argument describes it: "# name what it is".
void check_description(Checker& checker, const Instruction& instruction, std::span<const std::string> described,
                       std::string_view what) {
    if (described.empty() || instruction.comments.empty()) return;
    const std::string& comment = instruction.comments.back();
    const auto begins_with = [&](const std::string& name) { return comment.starts_with(name + " "); };
    if (comment.starts_with("check=") || std::ranges::any_of(described, begins_with)) return;
    checker.warn("InvalidDefinitionDescription", instruction, instruction.span,
                 fmt::format("Comment for {} should follow the format: `# {} <description>`", what, described.front()),
                 "an empty comment line below a comment detaches it");
}

void check_descriptions(Checker& checker, const Instruction& instruction) {
    if (const From* from = std::get_if<From>(&instruction.body); from && from->name) {
        check_description(checker, instruction, std::array{*from->name}, "build stage");
    } else if (const Arg* arg = std::get_if<Arg>(&instruction.body)) {
        std::vector<std::string> names;
        for (const ArgEntry& entry : arg->entries) names.push_back(entry.name);
        check_description(checker, instruction, names, "ARG");
    }
}

}  // namespace

void check_style(Checker& checker) {
    check_keyword_casing(checker);
    for_each_instruction(checker.buildfile, [&](const Instruction& instruction) {
        check_forms(checker, instruction);
        check_descriptions(checker, instruction);
    });
}

}  // namespace imgbuild::parser::detail
