// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <map>

#include "base/json.h"
#include "base/text.h"
#include "builder/plan/plan_json.h"
#include "builder/solve/prediction.h"
#include "cli/commands/commands.h"
#include "cli/commands/planning.h"
#include "cli/commands/solving.h"
#include "cli/commands/source_epoch.h"
#include "cli/common/environment.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"
#include "cli/progress/step_names.h"

namespace imgbuild::cli {
namespace {

using builder::Foreseen;
using Predictions = std::vector<builder::Prediction>;

std::string_view name_of(Foreseen foreseen) {
    switch (foreseen) {
        case Foreseen::cached: return "cached";
        case Foreseen::done: return "done";
        case Foreseen::open: return "open";
    }
    return "";
}

// Of steps, and of images whose layers would be read: that a context is looked through again goes without saying.
bool is_worth_saying(const builder::PlanNode& node) { return node.number != 0; }

std::string document_of(const builder::BuildPlan& plan, const Predictions& predictions) {
    Json document = builder::plan_to_json(plan);
    for (std::size_t id = 0; id < predictions.size(); ++id) {
        if (!is_worth_saying(plan.nodes[id])) continue;
        Json& node = document["nodes"][id];
        node["cache"] = name_of(predictions[id].foreseen);
        for (const std::string& cause : predictions[id].causes) node["because"].push_back(printable(cause));
    }
    return write_json_indented(document) + "\n";
}

std::string text_of(const builder::BuildPlan& plan, const Predictions& predictions,
                    const builder::SolveOptions& options) {
    std::string text;
    std::map<Foreseen, std::size_t> counts;
    for (std::size_t id = 0; id < predictions.size(); ++id) {
        const builder::PlanNode& node = plan.nodes[id];
        if (!is_worth_saying(node)) continue;
        ++counts[predictions[id].foreseen];
        const std::string place = node.span.empty() ? "" : fmt::format(" ({})", options.locate(node.span));
        text += fmt::format("{:6} {}{}\n", name_of(predictions[id].foreseen), kept_step_name(plan, id), place);
        for (const std::string& cause : predictions[id].causes)
            text += fmt::format("       because: {}\n", printable(cause));
    }
    const std::size_t all = counts[Foreseen::cached] + counts[Foreseen::done] + counts[Foreseen::open];
    return text + fmt::format("{}: {} cached, {} done, {} open\n", counted(all, "step", "steps"),
                              counts[Foreseen::cached], counts[Foreseen::done], counts[Foreseen::open]);
}

}  // namespace

int run_plan(Arguments arguments) {
    std::optional<BuildOptions> options = read_build_options("plan", arguments, process_environment);
    if (!options) return exit_status::ok;
    const std::unique_ptr<layerstore::Store> store = open_store(options->common);
    const auto lease = store->is_writable() ? store->lease() : nullptr;
    BuildInput input = read_build_input(*options, *store, lease.get());
    const std::optional<ParsedInput> parsed = parse_input(*options, input);
    if (!parsed) return exit_status::usage;
    const std::optional<builder::PlanResult> planned =
        plan_with_time(*options, parsed->buildfile, input, *store, lease.get());
    if (!planned) return exit_status::usage;
    const builder::BuildPlan& plan = *planned->plan;
    const builder::SolveOptions solve_options = solve_options_of(*options, input, parsed->buildfile, plan);
    std::vector<std::string> more = warnings_of_no_cache(*options, input, parsed->buildfile, plan);
    if (!lease) more.emplace_back("the store can only be read: what a build would find there is not foretold");
    for (const auto& warnings : {input.warnings, parsed->warnings, planned->warnings, more})
        for (const std::string& warning : warnings) tell("warning: " + warning + "\n");
    const Predictions predictions = lease ? builder::predict(plan, solve_options, *store, *lease) : Predictions();
    print(options->explain ? text_of(plan, predictions, solve_options) : document_of(plan, predictions));
    return exit_status::ok;
}

}  // namespace imgbuild::cli
