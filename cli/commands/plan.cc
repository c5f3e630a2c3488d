// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "builder/plan/plan_json.h"
#include "cli/commands/commands.h"
#include "cli/commands/planning.h"
#include "cli/commands/source_epoch.h"
#include "cli/common/environment.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {

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
    for (const auto& warnings : {input.warnings, parsed->warnings, planned->warnings})
        for (const std::string& warning : warnings) tell("warning: " + warning + "\n");
    print(write_json_indented(builder::plan_to_json(*planned->plan)) + "\n");
    return exit_status::ok;
}

}  // namespace imgbuild::cli
