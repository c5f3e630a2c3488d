// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/call.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/commands/planning.h"
#include "cli/common/error_report.h"
#include "cli/common/table.h"
#include "cli/common/terminal.h"
#include "parser/buildfile/unused.h"

namespace imgbuild::cli {
namespace {

using parser::Source;
using parser::Span;

Json position_json(const Source& source, std::size_t offset) {
    const parser::Position position = source.position(offset);
    return {{"line", position.line}, {"character", position.column - 1}};
}

Json location_json(const Source& source, Span span) {
    const Json range{{"start", position_json(source, span.begin)}, {"end", position_json(source, span.end)}};
    return {{"ranges", Json::array({range})}};
}

Json sources_json(const Source& source) { return Json::array({encode_base64(source.text())}); }

std::string printed(const Json& document) { return write_json_indented(document) + "\n"; }

void set_unless_empty(Json& object, const char* key, std::string_view value) {
    if (!value.empty()) object[key] = printable(value);
}

void add_need(std::vector<OutlineNeed>& needs, const parser::Mount& mount) {
    const auto known = std::ranges::find(needs, mount.id, &OutlineNeed::id);
    if (known == needs.end())
        needs.push_back({mount.id, mount.required, mount.span});
    else
        known->required = known->required || mount.required;
}

void set_needs(Json& document, const char* key, const std::vector<OutlineNeed>& needs, const char* id_key,
               const Source& source) {
    if (needs.empty()) return;
    Json list = Json::array();
    for (const OutlineNeed& need : needs) {
        Json& object = list.emplace_back(Json{{id_key, printable(need.id)}});
        if (need.required) object["required"] = true;
        object["location"] = location_json(source, need.span);
    }
    document[key] = std::move(list);
}

std::string outline_json(const Outline& outline, const Source& source) {
    Json document = Json::object();
    set_unless_empty(document, "name", outline.name);
    set_unless_empty(document, "description", outline.description);
    Json arguments = Json::array();
    for (const builder::PlannedArgument& argument : outline.arguments) {
        Json& object = arguments.emplace_back(Json{{"name", printable(argument.name)}});
        set_unless_empty(object, "description", argument.description);
        if (argument.value) object["value"] = printable(*argument.value);
        object["location"] = location_json(source, argument.span);
    }
    if (!arguments.empty()) document["args"] = std::move(arguments);
    set_needs(document, "secrets", outline.secrets, "name", source);
    set_needs(document, "ssh", outline.agents, "name", source);
    set_needs(document, "cache", outline.caches, "ID", source);
    document["sources"] = sources_json(source);
    return printed(document);
}

void append_needs(std::string& text, const char* title, const std::vector<OutlineNeed>& needs) {
    if (needs.empty()) return;
    Table table({title, "REQUIRED"});
    for (const OutlineNeed& need : needs) table.add({need.id, need.required ? "true" : ""});
    text += "\n" + table.text();
}

std::string written(const parser::Word& word) { return printable(word.text); }

// As --target takes it; the last stage needs no name.
bool is_target(const parser::Buildfile& buildfile, const parser::Stage& stage) {
    return stage.name() || stage.index + 1 == buildfile.stages.size();
}

std::string_view description_of(const parser::Stage& stage) {
    return stage.name() ? parser::description_of(stage.declaration, *stage.name()) : std::string_view();
}

std::string targets_json(const parser::Buildfile& buildfile, const Source& source) {
    Json targets = Json::array();
    for (const parser::Stage& stage : buildfile.stages) {
        if (!is_target(buildfile, stage)) continue;
        Json& object = targets.emplace_back(Json::object());
        set_unless_empty(object, "name", stage.name().value_or(""));
        if (stage.index + 1 == buildfile.stages.size()) object["default"] = true;
        set_unless_empty(object, "description", description_of(stage));
        object["base"] = written(stage.from().image);
        if (stage.from().platform) object["platform"] = written(*stage.from().platform);
        object["location"] = location_json(source, stage.declaration.span);
    }
    return printed({{"targets", std::move(targets)}, {"sources", sources_json(source)}});
}

std::string check_json(const parser::Diagnostics& warnings, const parser::Diagnostic* error, const Source& source) {
    Json list = Json::array();
    for (const parser::Diagnostic& warning : warnings)
        list.push_back({{"ruleName", warning.rule},
                        {"description", parser::rule_description(warning.rule)},
                        {"url", warning.url},
                        {"detail", printable(warning.message)},
                        {"location", location_json(source, warning.span)}});
    Json document{{"warnings", std::move(list)},
                  {"sources", Json::array({{{"filename", printable(source.name())},
                                            {"language", "Dockerfile"},
                                            {"data", encode_base64(source.text())}}})}};
    if (error)
        document["buildError"] = {{"message", printable(error->message)},
                                  {"location", location_json(source, error->span)}};
    return printed(document);
}

std::string check_text(const parser::Diagnostics& warnings, const Source& source) {
    if (warnings.empty()) return "Check complete, no warnings found.\n";
    return fmt::format("Check complete, {} found.\n\n{}", counted(warnings.size(), "warning", "warnings"),
                       warnings.render(source));
}

std::string notes_text(const std::vector<parser::Unused>& notes, const Source& source) {
    std::string text;
    for (const parser::Unused& note : notes)
        text += fmt::format("note: {}: {}\n", parser::location(note.span, source), printable(note.message));
    return text;
}

const parser::Diagnostic* first_error(const parser::Diagnostics& diagnostics) {
    const auto found = std::ranges::find(diagnostics, parser::Severity::error, &parser::Diagnostic::severity);
    return found == diagnostics.end() ? nullptr : &*found;
}

// Of what cannot be built: told where people read, and in the document where a program does.
int refuse_file(const BuildOptions& options, const parser::Buildfile& buildfile, const parser::Diagnostics& diagnostics,
                const BuildInput& input) {
    if (options.call.json && options.call.method == Call::Method::check)
        print(check_json(check_input(options, buildfile, input, nullptr).warnings, first_error(diagnostics),
                         input.source));
    else
        tell_errors(options, buildfile, diagnostics, input);
    return exit_status::usage;
}

// A base image that cannot be had leaves some checks out and is no reason to give no advice.
int answer_check(const BuildOptions& options, const parser::Buildfile& buildfile, const BuildInput& input,
                 layerstore::Store& store) {
    std::optional<builder::PlanResult> planned;
    try {
        planned = try_plan(options, buildfile, store);
        if (!planned->plan) return refuse_file(options, buildfile, planned->diagnostics, input);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::unavailable) throw;
        tell(fmt::format("warning: undefined variables are not checked: {}\n", printable(error.full_message())));
    }
    const Advice advice = check_input(options, buildfile, input, planned ? &*planned : nullptr);
    print(options.call.json ? check_json(advice.warnings, nullptr, input.source)
                            : check_text(advice.warnings, input.source));
    if (!options.call.json)
        tell(notes_text(parser::find_unused(buildfile, input.source, options.target), input.source));
    return advice.warnings.empty() || options.call.ignore_status ? exit_status::ok : exit_status::usage;
}

int answer_outline(const BuildOptions& options, const parser::Buildfile& buildfile, const BuildInput& input,
                   layerstore::Store& store) {
    const builder::PlanResult planned = try_plan(options, buildfile, store);
    if (!planned.plan) return refuse_file(options, buildfile, planned.diagnostics, input);
    const auto target = parser::find_target(buildfile, options.target);
    const Outline outline = outline_of(*planned.plan, *std::get<const parser::Stage*>(target));
    print(outline_text(outline, options.call, input.source));
    return exit_status::ok;
}

}  // namespace

Outline outline_of(const builder::BuildPlan& plan, const parser::Stage& target) {
    Outline outline{.name = target.name().value_or(""),
                    .description = std::string(description_of(target)),
                    .arguments = plan.arguments,
                    .secrets = {},
                    .agents = {},
                    .caches = {}};
    for (const builder::PlanNode& node : plan.nodes) {
        const auto* run = std::get_if<builder::RunCommand>(&node.operation);
        if (!run) continue;
        for (const builder::RunMount& mount : run->mounts) {
            if (mount.mount.type == parser::MountType::secret) add_need(outline.secrets, mount.mount);
            if (mount.mount.type == parser::MountType::ssh) add_need(outline.agents, mount.mount);
            if (mount.mount.type == parser::MountType::cache) add_need(outline.caches, mount.mount);
        }
    }
    return outline;
}

std::string outline_text(const Outline& outline, const Call& call, const Source& source) {
    if (call.json) return outline_json(outline, source);
    std::string text = "TARGET: " + (outline.name.empty() ? "(default)" : printable(outline.name)) + "\n";
    if (!outline.description.empty()) text += "DESCRIPTION: " + printable(outline.description) + "\n";
    if (!outline.arguments.empty()) {
        Table table({"BUILD ARG", "VALUE", "DESCRIPTION"});
        for (const builder::PlannedArgument& argument : outline.arguments)
            table.add({argument.name, argument.value.value_or(""), argument.description});
        text += "\n" + table.text();
    }
    append_needs(text, "SECRET", outline.secrets);
    append_needs(text, "SSH", outline.agents);
    if (!outline.caches.empty()) {
        Table table({"CACHE MOUNT"});
        for (const OutlineNeed& cache : outline.caches) table.add({cache.id});
        text += "\n" + table.text();
    }
    return text;
}

std::string targets_text(const parser::Buildfile& buildfile, const Call& call, const Source& source) {
    if (call.json) return targets_json(buildfile, source);
    Table table({"TARGET", "BASE", "DESCRIPTION"});
    for (const parser::Stage& stage : buildfile.stages) {
        if (!is_target(buildfile, stage)) continue;
        const bool is_default = stage.index + 1 == buildfile.stages.size();
        const std::string name = stage.name().value_or("");
        table.add({is_default ? name + (name.empty() ? "(default)" : " (default)") : name, stage.from().image.text,
                   std::string(description_of(stage))});
    }
    return table.text();
}

int answer_call(const BuildOptions& options, const BuildInput& input, layerstore::Store& store) {
    const parser::ParseResult parsed = parser::parse_buildfile(input.source);
    if (!parsed.ok()) return refuse_file(options, parsed.buildfile, parsed.diagnostics, input);
    if (!options.call.json) tell(parsed.diagnostics.render(input.source));
    switch (options.call.method) {
        case Call::Method::build: break;
        case Call::Method::check: return answer_check(options, parsed.buildfile, input, store);
        case Call::Method::outline: return answer_outline(options, parsed.buildfile, input, store);
        case Call::Method::targets: print(targets_text(parsed.buildfile, options.call, input.source));
    }
    return exit_status::ok;
}

}  // namespace imgbuild::cli
