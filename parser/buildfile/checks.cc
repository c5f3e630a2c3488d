// SPDX-License-Identifier: Apache-2.0
#include "parser/buildfile/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "parser/buildfile/detail/checker.h"
#include "parser/instruction/values.h"

namespace imgbuild::parser {
namespace {

struct Rule {
    std::string_view name;
    std::string_view description;
    bool experimental = false;
    bool has_page = true;
};

constexpr std::array rules{
    Rule{"ConsistentInstructionCasing", "All instructions of a file are written in the same case"},
    Rule{"CopyIgnoredFile", "A file that the ignore file hides cannot be copied"},
    Rule{"DuplicateStageName", "Each stage has a name of its own"},
    Rule{"ExposeInvalidFormat", "EXPOSE takes neither an address nor a host port"},
    Rule{"ExposeProtoCasing", "The protocol of EXPOSE is written in lower case"},
    Rule{"FromAsCasing", "AS is written in the same case as FROM"},
    Rule{"FromPlatformFlagConstDisallowed", "FROM --platform takes a variable, not a constant"},
    Rule{"InvalidBaseImagePlatform", "The base image is for the platform that is built", false, false},
    Rule{"InvalidDefaultArgInFrom", "The defaults of global arguments give a valid base image"},
    Rule{"InvalidDefinitionDescription", "A comment above a stage or argument begins with its name", true},
    Rule{"JSONArgsRecommended", "CMD and ENTRYPOINT in JSON form let the process receive signals"},
    Rule{"LegacyKeyValueFormat", "ENV and LABEL are written with an equals sign"},
    Rule{"MaintainerDeprecated", "MAINTAINER gave way to a label"},
    Rule{"MultipleInstructionsDisallowed", "Of CMD, ENTRYPOINT and HEALTHCHECK only the last in a stage counts"},
    Rule{"NoEmptyContinuation", "A continued instruction holds no blank lines"},
    Rule{"RedundantTargetPlatform", "FROM builds for the target platform anyway"},
    Rule{"ReservedStageName", "A stage is not called scratch or context"},
    Rule{"SecretsUsedInArgOrEnv", "Secrets in ARG or ENV end up in the image"},
    Rule{"StageNameCasing", "Stage names are written in lower case"},
    Rule{"UndefinedArgInFrom", "FROM uses arguments that are declared"},
    Rule{"UndefinedVar", "Variables are defined before they are used"},
    Rule{"WorkdirRelativePath", "The first WORKDIR is an absolute path"},
};

const Rule* find_rule(std::string_view name) {
    const std::string lower = to_lower(name);
    const auto rule = std::ranges::find_if(rules, [&](const Rule& known) { return to_lower(known.name) == lower; });
    return rule == rules.end() ? nullptr : &*rule;
}

/// "JSONArgsRecommended" as "json-args-recommended".
std::string kebab_case(std::string_view name) {
    const auto is_capital = [&](std::size_t i) { return i < name.size() && name[i] >= 'A' && name[i] <= 'Z'; };
    std::string out;
    for (std::size_t i = 0; i < name.size(); ++i) {
        const bool ends_capitals = i + 1 < name.size() && !is_capital(i + 1);
        if (i > 0 && is_capital(i) && (!is_capital(i - 1) || ends_capitals)) out += '-';
        out += name[i];
    }
    return to_lower(out);
}

bool names(const std::vector<std::string>& list, std::string_view rule) {
    return std::ranges::any_of(list, [&](const std::string& name) { return to_lower(name) == to_lower(rule); });
}

}  // namespace

bool CheckOptions::skips(std::string_view rule) const {
    const Rule* known = find_rule(rule);
    if (names(skip, rule)) return true;
    if (known && known->experimental) return !names(experimental, rule) && !names(experimental, "all");
    return names(skip, "all");
}

CheckOptions parse_check_options(std::string_view value, Span span, Diagnostics& diagnostics) {
    CheckOptions options;
    const auto refuse = [&](std::string_view part) {
        diagnostics.error(span, fmt::format("invalid check option \"{}\"", part),
                          "there are skip=, error= and experimental=, with ';' between them");
    };
    const std::vector<std::string_view> parts = split(value, ';');
    if (parts.size() > 3) refuse(value);
    for (const std::string_view part : parts) {
        const std::size_t equals = part.find('=');
        const std::string key = to_lower(trim(part.substr(0, equals)));
        const std::string_view setting = equals == std::string_view::npos ? "" : trim(part.substr(equals + 1));
        std::vector<std::string> list;
        for (const std::string_view name : split(setting, ',')) list.emplace_back(trim(name));
        if (equals == std::string_view::npos) {
            refuse(part);
        } else if (key == "skip") {
            options.skip = std::move(list);
        } else if (key == "experimental") {
            options.experimental = std::move(list);
        } else if (key == "error" && parse_bool(setting)) {
            options.error = *parse_bool(setting);
        } else {
            refuse(part);
        }
    }
    return options;
}

bool is_enabled(std::string_view rule, const CheckOptions& options, const Instruction& instruction) {
    const Rule* known = find_rule(rule);
    const bool skips_all = names(instruction.skipped_checks, "all") && !(known && known->experimental);
    return !options.skips(rule) && !names(instruction.skipped_checks, rule) && !skips_all;
}

Diagnostic make_warning(std::string_view rule, Span span, std::string message, std::string hint) {
    const Rule* known = find_rule(rule);
    const bool has_page = known && known->has_page;
    return {.severity = Severity::warning,
            .rule = std::string(rule),
            .message = std::move(message),
            .span = span,
            .hint = std::move(hint),
            .url = has_page ? fmt::format("https://docs.docker.com/go/dockerfile/rule/{}/", kebab_case(rule)) : ""};
}

std::string_view rule_description(std::string_view rule) noexcept {
    const auto known = std::ranges::find(rules, rule, &Rule::name);
    return known == rules.end() ? "" : known->description;
}

std::string violation_summary(const Diagnostics& warnings) {
    std::vector<std::string> found;
    for (const Diagnostic& warning : warnings) {
        if (!warning.rule.empty() && !names(found, warning.rule)) found.push_back(warning.rule);
    }
    return found.empty() ? "" : "lint violation found for rules: " + join(found, ", ");
}

void detail::Checker::warn(std::string_view rule, const Instruction& instruction, Span span, std::string message,
                           std::string hint) {
    if (!is_enabled(rule, options, instruction)) return;
    warnings.add(make_warning(rule, span, std::move(message), std::move(hint)));
}

Diagnostics check_buildfile(const Buildfile& buildfile, const CheckOptions& options, const CheckContext& context) {
    Diagnostics warnings;
    detail::Checker checker{buildfile, options, context, warnings};
    detail::check_style(checker);
    detail::check_from(checker);
    detail::check_stages(checker);
    warnings.sort_by_place();
    return warnings;
}

}  // namespace imgbuild::parser
