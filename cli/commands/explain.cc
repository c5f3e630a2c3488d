// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/builds/build_record.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {
namespace {

bool is_asked_for(const RecordedStep& step, const std::optional<std::string>& wanted) {
    return wanted ? is_called(step, *wanted) : step.is_step;
}

std::string outcome_of(const RecordedStep& step) {
    switch (step.outcome) {
        case StepOutcome::cached: return "cached";
        case StepOutcome::done: return fmt::format("done in {:.1f}s", step.duration);
        case StepOutcome::failed: return fmt::format("failed after {:.1f}s", step.duration);
        case StepOutcome::stopped: return "not finished";
    }
    return {};
}

std::string text_of(const RecordedStep& step) {
    std::string text = fmt::format("{}: {}\n", step.name, outcome_of(step));
    if (!step.place.empty()) text += fmt::format("  at {}\n", step.place);
    if (!step.error.empty()) text += fmt::format("  error: {}\n", printable(step.error));
    if (!step.log.empty()) text += fmt::format("  the full log: {}\n", printable(step.log));
    for (const std::string& cause : step.causes) text += fmt::format("  because: {}\n", printable(cause));
    return text;
}

}  // namespace

int run_explain(Arguments arguments) {
    OptionSet options("explain [STEP]",
                      "Says why the steps of a build were done and not taken from the store; STEP is a line of the "
                      "Buildfile, or words of the step");
    CommonOptions common;
    std::optional<std::string> wanted, id;
    options.positional("STEP", wanted, false);
    options.value("--build", id, "ID", "which build (else the last)");
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const auto store = open_store(common);
    const BuildRecord record = choose_record(*store, id, "explain");
    std::string text =
        fmt::format("build {} at {}: {}, {} cached, {:.1f}s\n", record.id, rfc3339(record.started / 1000),
                    counted(record.count_steps(), "step", "steps"), record.count_cached(), record.duration);
    std::size_t shown = 0;
    for (const RecordedStep& step : record.steps) {
        if (!is_asked_for(step, wanted)) continue;
        text += text_of(step);
        ++shown;
    }
    if (wanted && shown == 0)
        throw Error(ErrorKind::not_found, fmt::format("explain: no step {} in build {}", printable(*wanted), record.id),
                    "name the line of a Buildfile, or words of the step");
    print(text);
    return exit_status::ok;
}

}  // namespace imgbuild::cli
