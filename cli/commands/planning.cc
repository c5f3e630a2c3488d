// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/planning.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "builder/plan/merge_plans.h"
#include "cli/commands/pinned_images.h"
#include "cli/common/terminal.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {
namespace {

// The build argument wins over the line in the file, as a command line should.
parser::CheckOptions check_options(const BuildOptions& options, const parser::Buildfile& buildfile,
                                   const parser::Source& source) {
    std::string value;
    parser::Span span;
    if (const auto& directive = buildfile.directives.check) {
        value = directive->value;
        span = directive->span;
    }
    const auto argument = options.build_args.find("BUILDKIT_DOCKERFILE_CHECK");
    if (argument != options.build_args.end()) value = argument->second;
    if (value.empty()) return {};
    parser::Diagnostics diagnostics;
    parser::CheckOptions checks = parser::parse_check_options(value, span, diagnostics);
    if (diagnostics.has_errors()) throw Error(ErrorKind::usage, "malformed check options", diagnostics.render(source));
    return checks;
}

bool is_reference(std::string_view text) {
    try {
        layerstore::Reference::parse(text);
        return true;
    } catch (const Error&) {
        return false;
    }
}

const parser::Instruction* instruction_at(const parser::Buildfile& buildfile, parser::Span span) {
    const auto holds = [&](const parser::Instruction& instruction) {
        return instruction.span.begin <= span.begin && span.begin < instruction.span.end;
    };
    for (const parser::Stage& stage : buildfile.stages) {
        if (holds(stage.declaration)) return &stage.declaration;
        const auto found = std::ranges::find_if(stage.instructions, holds);
        if (found != stage.instructions.end()) return &*found;
    }
    return nullptr;
}

// A name that came with the command line stands in no line of the file: the stages say more than a caret.
void require_target(const parser::Buildfile& buildfile, const std::string& target) {
    const auto found = parser::find_target(buildfile, target);
    const auto* missing = std::get_if<parser::Diagnostic>(&found);
    if (!missing || target.empty()) return;
    std::vector<std::string> names;
    for (const parser::Stage& stage : buildfile.stages) names.push_back(stage.display_name());
    const std::optional<std::string> near = buildfile.nearest_stage_name(target);
    throw Error(
        ErrorKind::not_found, missing->message,
        (near ? "did you mean " + printable(*near) + "? " : std::string()) + "the stages are " + join(names, ", "));
}

}  // namespace

void tell_errors(const BuildOptions& options, const parser::Buildfile& buildfile,
                 const parser::Diagnostics& diagnostics, const BuildInput& input) {
    tell(diagnostics.render(input.source));
    if (options.progress == ProgressMode::quiet || options.progress == ProgressMode::rawjson) return;
    const Advice advice = check_input(options, buildfile, input, nullptr);
    if (!advice.warnings.empty()) tell("\n" + advice.warnings.render(input.source));
}

std::optional<ParsedInput> parse_input(const BuildOptions& options, const BuildInput& input) {
    parser::ParseResult parsed = parser::parse_buildfile(input.source);
    if (parsed.ok()) {
        std::vector<std::string> warnings;
        for (const parser::Diagnostic& warning : parsed.diagnostics)
            warnings.push_back(parser::location(warning.span, input.source) + ": " + printable(warning.message) +
                               (warning.hint.empty() ? "" : "; " + printable(warning.hint)));
        return ParsedInput{std::move(parsed.buildfile), std::move(warnings)};
    }
    tell_errors(options, parsed.buildfile, parsed.diagnostics, input);
    return std::nullopt;
}

builder::PlanResult try_plan(const BuildOptions& options, const parser::Buildfile& buildfile, layerstore::Store& store,
                             builder::ImageResolver* resolver) {
    require_target(buildfile, options.target);
    std::map<std::string, builder::NamedContext> contexts = options.contexts;
    contexts.insert_or_assign("", builder::NamedContext{builder::NamedContext::Kind::files, options.context});
    const auto finder =
        pin_images(builder::make_image_finder(store, options.pull, options.solve.offline), options.pins, store);
    const bool is_build = options.call.method == Call::Method::build;
    builder::PlanRequest request{.buildfile = buildfile,
                                 .resolver = resolver ? *resolver : *finder,
                                 .target = options.target,
                                 .build_args = options.build_args,
                                 .contexts = std::move(contexts),
                                 .platform = {},
                                 .build_platform = layerstore::Platform::host(),
                                 .network = options.network,
                                 .labels = options.labels,
                                 .scanner = is_build ? options.attest.scanner.value_or("") : "",
                                 .allow_host_network = options.allow_host_network,
                                 .allow_insecure = options.allow_insecure};
    std::optional<builder::PlanResult> all;
    std::vector<builder::BuildPlan> plans;
    for (const layerstore::Platform& platform : options.platforms) {
        request.platform = platform;
        builder::PlanResult one = builder::make_plan(request);
        if (!one.plan) return one;
        plans.push_back(std::move(*one.plan));
        // An argument that a stage of one platform alone takes is used.
        if (all)
            std::erase_if(all->warnings, [&](const std::string& warning) {
                return std::ranges::find(one.warnings, warning) == one.warnings.end();
            });
        else
            all = std::move(one);
    }
    all->plan = builder::merge_plans(std::move(plans));
    return std::move(*all);
}

std::optional<builder::PlanResult> plan_input(const BuildOptions& options, const parser::Buildfile& buildfile,
                                              const BuildInput& input, layerstore::Store& store) {
    builder::PlanResult result = try_plan(options, buildfile, store);
    if (result.plan) return result;
    tell_errors(options, buildfile, result.diagnostics, input);
    return std::nullopt;
}

Advice check_input(const BuildOptions& options, const parser::Buildfile& buildfile, const BuildInput& input,
                   const builder::PlanResult* planned) {
    const parser::CheckOptions checks = check_options(options, buildfile, input.source);
    parser::CheckContext context;
    context.is_image_reference = is_reference;
    context.ignore = &input.ignore();
    context.base_environment = [&](const parser::Stage& stage) -> const parser::Environment* {
        if (!planned || !planned->plan) return nullptr;
        const auto& environments = planned->plan->base_environments;
        const auto found = environments.find(stage.index);
        return found == environments.end() ? nullptr : &found->second;
    };
    Advice advice;
    advice.warnings = parser::check_buildfile(buildfile, checks, context);
    if (planned) {
        for (const parser::Diagnostic& diagnostic : planned->diagnostics) {
            const parser::Instruction* instruction = instruction_at(buildfile, diagnostic.span);
            if (!instruction || parser::is_enabled(diagnostic.rule, checks, *instruction))
                advice.warnings.add(diagnostic);
        }
    }
    advice.warnings.sort_by_place();
    advice.is_fatal = checks.error && !advice.warnings.empty();
    return advice;
}

}  // namespace imgbuild::cli
