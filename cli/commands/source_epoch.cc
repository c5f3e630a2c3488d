// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/source_epoch.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "builder/fetch/fetch.h"
#include "cli/commands/context_input.h"
#include "cli/commands/planning.h"

namespace imgbuild::cli {
namespace {

using Seconds = std::optional<std::int64_t>;

/// Finds the time that a word means.
class EpochFinder {
  public:
    EpochFinder(const BuildOptions& options, const parser::Buildfile& buildfile, BuildInput& input,
                layerstore::Store& store, layerstore::Store::Lease* lease)
        : options_(options), buildfile_(buildfile), input_(input), store_(store), lease_(lease) {}

    Seconds time_of(const std::string& word) {
        if (word == "context") return time_of_context("");
        if (const auto named = options_.contexts.find(word); named != options_.contexts.end()) {
            using Of = builder::NamedContext::Kind;
            if (named->second.kind == Of::files) return time_of_context(word);
            if (named->second.kind != Of::stage)
                throw Error(ErrorKind::usage, fmt::format("invalid {}: {}", epoch_name, printable(word)),
                            "this context is an image: only repositories, URLs and archives have a time");
        }
        if (const parser::Stage* stage = stage_of(word)) return time_of_stage(*stage);
        refuse_epoch(word);
    }

    Seconds time_of_work_tree() {
        const builder::BuildContext& main = input_.contexts.at("");
        if (const auto* elsewhere = std::get_if<builder::ContextElsewhere>(&main)) {
            if (std::holds_alternative<builder::GitContext>(elsewhere->place)) return time_of_context("");
            throw Error(ErrorKind::usage,
                        fmt::format("--created=git: context {}: no repository", printable(name_of(elsewhere->place))));
        }
        const std::string& path = std::get<builder::ContextDirectory>(main).path;
        const builder::WorkTreeHead head = builder::read_work_tree(path, store_.pending());
        if (head.is_dirty)
            input_.warnings.push_back(fmt::format(
                "--created=git: {}: files differ from the commit, whose time is taken all the same", printable(path)));
        return head.time;
    }

  private:
    ContextLoader loader() const { return {options_, store_, required_lease(store_, lease_)}; }

    Seconds time_of_context(const std::string& name) {
        auto* elsewhere = std::get_if<builder::ContextElsewhere>(&input_.contexts.at(name));
        if (!elsewhere) return std::nullopt;
        if (!elsewhere->loaded) elsewhere->loaded = loader().load(elsewhere->place);
        return elsewhere->loaded->time;
    }

    const parser::Stage* stage_of(const std::string& word) const {
        const auto named = options_.contexts.find(word);
        return buildfile_.find_stage(named == options_.contexts.end() ? word : named->second.place);
    }

    Seconds time_of_stage(const parser::Stage& stage) {
        const parser::Span add = require_one_add(stage);
        // The planner expands what the address says, as it does for the build.
        BuildOptions of_stage = options_;
        of_stage.target = stage.name().value_or("");
        of_stage.platforms.resize(1);
        const builder::PlanResult planned = try_plan(of_stage, buildfile_, store_);
        if (!planned.plan)
            throw Error(ErrorKind::usage, fmt::format("{}={}: malformed stage", epoch_name, stage.display_name()),
                        planned.diagnostics.render(input_.source));
        for (const builder::PlanNode& node : planned.plan->nodes) {
            if (const auto* url = std::get_if<builder::FetchUrl>(&node.operation))
                return loader().time_of(builder::UrlContext{url->url, url->checksum});
            if (const auto* git = std::get_if<builder::FetchGit>(&node.operation))
                return loader().time_of(builder::GitContext{git->source, git->keep_git_dir});
        }
        refuse_stage(add, "its ADD takes no URL and no repository");
    }

    parser::Span require_one_add(const parser::Stage& stage) const {
        if (stage.from().image.text != "scratch") refuse_stage(stage.declaration.span, "it is not FROM scratch");
        const parser::Instruction* add = nullptr;
        for (const parser::Instruction& instruction : stage.instructions) {
            if (std::holds_alternative<parser::Arg>(instruction.body)) continue;
            const auto* body = std::get_if<parser::Add>(&instruction.body);
            if (!body)
                refuse_stage(instruction.span, fmt::format("it has {}", parser::canonical_keyword(instruction.body)));
            if (add) refuse_stage(instruction.span, "it has more than one ADD");
            if (body->sources.size() != 1 || !body->heredocs.empty())
                refuse_stage(instruction.span, "its ADD takes more than one source");
            add = &instruction;
        }
        if (!add) refuse_stage(stage.declaration.span, "it has no ADD");
        return add->span;
    }

    [[noreturn]] void refuse_stage(parser::Span place, std::string_view reason) const {
        throw Error(ErrorKind::usage,
                    fmt::format("{}: {} stage does not meet source-only requirements: {}",
                                parser::location(place, input_.source), epoch_name, reason),
                    "such a stage is FROM scratch with ARGs and one ADD of an URL or a repository");
    }

    const BuildOptions& options_;
    const parser::Buildfile& buildfile_;
    BuildInput& input_;
    layerstore::Store& store_;
    layerstore::Store::Lease* lease_;
};

bool is_number(std::string_view word) { return word.find_first_not_of("0123456789") == std::string_view::npos; }

// From here on the build argument is what a stage's ARG shows.
void settle(BuildOptions& options, EpochFinder& finder) {
    std::string& word = options.build_args[std::string(epoch_name)];
    if (options.created_from_git || !is_number(word)) {
        const Seconds time = options.created_from_git ? finder.time_of_work_tree() : finder.time_of(word);
        word = time ? std::to_string(*time) : "";
    }
    if (!word.empty()) set_file_time(options, word);
}

void require_limit(const BuildOptions& options) {
    if (options.solve.timestamps != builder::Timestamps::clamp) return;
    const auto epoch = options.build_args.find(std::string(epoch_name));
    if (epoch == options.build_args.end() || epoch->second.empty())
        throw Error(ErrorKind::usage,
                    fmt::format("--timestamps=clamp: there is no {} that says to which time", epoch_name),
                    "set it in the environment, or give --created=git; --timestamps=preserve keeps times as they are");
}

std::optional<builder::PlanResult> plan_with_epoch(BuildOptions& options, const parser::Buildfile& buildfile,
                                                   BuildInput& input, layerstore::Store& store,
                                                   layerstore::Store::Lease* lease) {
    EpochFinder finder(options, buildfile, input, store, lease);
    const std::string name(epoch_name);
    if (options.created_from_git || options.build_args.contains(name)) settle(options, finder);
    std::optional<builder::PlanResult> planned = plan_input(options, buildfile, input, store);
    if (!planned || !planned->default_epoch) return planned;
    // Only the planner knows the default, which may hold variables; where it is no number, the plan shows the word.
    const std::string given = *planned->default_epoch;
    options.build_args[name] = given;
    settle(options, finder);
    return options.build_args[name] == given ? planned : plan_input(options, buildfile, input, store);
}

}  // namespace

std::optional<builder::PlanResult> plan_with_time(BuildOptions& options, const parser::Buildfile& buildfile,
                                                  BuildInput& input, layerstore::Store& store,
                                                  layerstore::Store::Lease* lease) {
    std::optional<builder::PlanResult> planned = plan_with_epoch(options, buildfile, input, store, lease);
    if (planned) require_limit(options);
    return planned;
}

}  // namespace imgbuild::cli
