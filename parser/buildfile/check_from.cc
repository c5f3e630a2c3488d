// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "parser/buildfile/detail/checker.h"

namespace imgbuild::parser::detail {
namespace {

enum class Case { lower, upper, mixed };

Case case_of(std::string_view text) {
    const bool has_lower = std::ranges::any_of(text, [](char c) { return c >= 'a' && c <= 'z'; });
    const bool has_upper = std::ranges::any_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
    return has_lower && has_upper ? Case::mixed : has_upper ? Case::upper : Case::lower;
}

void check_name(Checker& checker, const Stage& stage, std::set<std::string>& seen) {
    const From& from = stage.from();
    if (!from.name) return;
    const auto warn = [&](std::string_view rule, Span span, std::string message) {
        checker.warn(rule, stage.declaration, span, std::move(message));
    };
    if (*from.name != from.written_name) {
        warn("StageNameCasing", from.name_span, fmt::format("Stage name '{}' should be lowercase", from.written_name));
    }
    const Case keyword_case = case_of(stage.declaration.keyword);
    if (keyword_case != Case::mixed && case_of(from.written_as) != keyword_case) {
        warn("FromAsCasing", from.as_span,
             fmt::format("'{}' and '{}' keywords' casing do not match", from.written_as, stage.declaration.keyword));
    }
    if (*from.name == "scratch" || *from.name == "context") {
        warn("ReservedStageName", from.name_span,
             fmt::format("Stage name should not use the same name as reserved stage \"{}\"", *from.name));
    }
    if (!seen.insert(*from.name).second) {
        warn("DuplicateStageName", from.name_span,
             fmt::format("Duplicate stage name \"{}\", stage names should be unique", *from.name));
    }
}

/// True if the stage's name tells the system or the architecture of its platform, as "build-arm64" does.
bool is_named_for(const Stage& stage, std::string_view platform) {
    if (!stage.name()) return false;
    std::vector<std::string_view> parts = split(platform, '/');
    parts.resize(std::min<std::size_t>(parts.size(), 2));
    return std::ranges::any_of(
        parts, [&](std::string_view part) { return !part.empty() && stage.name()->find(part) != std::string::npos; });
}

void check_platform(Checker& checker, const Stage& stage) {
    const std::optional<Word>& platform = stage.from().platform;
    if (!platform) return;
    if (platform->text == "$TARGETPLATFORM" || platform->text == "${TARGETPLATFORM}") {
        checker.warn(
            "RedundantTargetPlatform", stage.declaration, platform->span,
            fmt::format("Setting platform to predefined {} in FROM is redundant as this is the default behavior",
                        platform->text));
    } else if (!has_variables(*platform) && !is_named_for(stage, platform->text)) {
        checker.warn("FromPlatformFlagConstDisallowed", stage.declaration, platform->span,
                     fmt::format("FROM --platform flag should not use constant value \"{}\"", platform->text),
                     "leave it out, use $BUILDPLATFORM, or name the stage for the platform");
    }
}

/// The expansion with the defaults alone; reports what is not declared.
std::optional<std::string> expand_with_defaults(Checker& checker, const Stage& stage, const Word& word,
                                                const Environment& globals) {
    const Expansion expansion = expand(word, globals);
    for (const std::string& name : expansion.undefined) {
        const std::optional<std::string> near = globals.nearest_name(name);
        checker.warn("UndefinedArgInFrom", stage.declaration, word.span,
                     fmt::format("FROM argument '{}' is not declared", name) +
                         (near ? fmt::format(" (did you mean {}?)", *near) : ""),
                     "declare it with ARG before the first FROM");
    }
    if (!expansion.ok() || !expansion.undefined.empty()) return std::nullopt;
    return expansion.text;
}

void check_image(Checker& checker, const Stage& stage, const Environment& globals) {
    const Word& image = stage.from().image;
    const std::optional<std::string> name = expand_with_defaults(checker, stage, image, globals);
    if (!name || !has_variables(image) || checker.buildfile.find_base_stage(*name, stage.index)) return;
    const bool valid =
        !trim(*name).empty() && (!checker.context.is_image_reference || checker.context.is_image_reference(*name));
    if (valid) return;
    checker.warn("InvalidDefaultArgInFrom", stage.declaration, image.span,
                 fmt::format("Default value for ARG {} results in empty or invalid base image name", image.text),
                 "give the ARG a default that names an image");
}

}  // namespace

Environment default_globals(const Buildfile& buildfile) {
    Environment globals{{"BUILDPLATFORM", "linux/amd64"},
                        {"BUILDOS", "linux"},
                        {"BUILDOSVERSION", ""},
                        {"BUILDARCH", "amd64"},
                        {"BUILDVARIANT", ""},
                        {"TARGETPLATFORM", "linux/amd64"},
                        {"TARGETOS", "linux"},
                        {"TARGETOSVERSION", ""},
                        {"TARGETARCH", "amd64"},
                        {"TARGETVARIANT", ""},
                        {"TARGETSTAGE", "default"}};
    for (const Instruction& argument : buildfile.global_args) {
        for (const ArgEntry& entry : std::get<Arg>(argument.body).entries) {
            globals.declare(entry.name);
            if (!entry.default_value) continue;
            Expansion expansion = expand(*entry.default_value, globals);
            if (expansion.ok()) globals.set(entry.name, std::move(expansion.text));
        }
    }
    return globals;
}

void check_from(Checker& checker) {
    const Environment globals = default_globals(checker.buildfile);
    std::set<std::string> seen;
    for (const Stage& stage : checker.buildfile.stages) {
        check_name(checker, stage, seen);
        check_platform(checker, stage);
        if (stage.from().platform) expand_with_defaults(checker, stage, *stage.from().platform, globals);
        check_image(checker, stage, globals);
    }
}

}  // namespace imgbuild::parser::detail
