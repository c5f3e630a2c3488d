// SPDX-License-Identifier: Apache-2.0
#include "cli/builds/order_hints.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "base/text.h"
#include "cli/builds/summary.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::cli {
namespace {

constexpr std::size_t least_times = 2;

// As the explanations of steps write them (docs/caching.md).
constexpr std::string_view files_changed = "files of the source changed";
constexpr std::string_view below_changed = "the result of the step before it changed";
constexpr std::string_view changed = " changed";
constexpr std::string_view argument_prefix = "build argument ";
constexpr std::string_view variable_prefix = "environment ";

using StepName = std::pair<std::string, std::string>;  // stage, instruction

StepName name_of_step(const RecordedStep& step) { return {step.stage, instruction_of(step)}; }

/// Builds of one Buildfile: the context, and the file's name as places have it.
using FileName = std::pair<std::string, std::string>;

FileName file_of(const BuildRecord& record) {
    for (const RecordedStep& step : record.steps)
        if (!step.place.empty()) return {record.context, step.place.substr(0, step.place.rfind(':'))};
    return {record.context, ""};
}

/// What made a step be done again although it did not matter.
struct Suspect {
    enum class Kind { files, variable };
    Kind kind = Kind::files;
    std::string name;  // the instruction that brought the files, or "build argument X"
    friend auto operator<=>(const Suspect&, const Suspect&) = default;
};

struct Sightings {
    std::size_t times = 0;
    double seconds = 0;
    std::set<std::string> results;
};

std::optional<std::string> changed_variable(const std::string& cause) {
    const bool is_variable = cause.starts_with(argument_prefix) || cause.starts_with(variable_prefix);
    if (!is_variable || !cause.ends_with(changed)) return std::nullopt;
    return cause.substr(0, cause.size() - changed.size());
}

// The step on which all that changed stands: of those below `step` in a row that were done, the lowest.
const RecordedStep* origin_of(const BuildRecord& record, const RecordedStep& step) {
    const RecordedStep* origin = nullptr;
    const RecordedStep* at = &step;
    while (!at->inputs.empty()) {
        at = &record.steps[at->inputs.front()];
        if (at->outcome != StepOutcome::done || !at->is_step || at->stage != step.stage) break;
        origin = at;
    }
    return origin;
}

// A step that leaves no files is done for its exit status: a test, which reads what changed.
std::string result_of_nothing() { return layerstore::TreeDelta().id().value.hex(); }

std::optional<Suspect> suspect_of(const BuildRecord& record, const RecordedStep& step) {
    if (step.outcome != StepOutcome::done || step.result.empty() || step.causes.empty()) return std::nullopt;
    if (step.causes.size() == 1 && step.causes.front() == below_changed) {
        const RecordedStep* origin = origin_of(record, step);
        if (!origin || origin->causes.empty() || origin->causes.front() != files_changed) return std::nullopt;
        if (step.result == result_of_nothing()) return std::nullopt;
        return Suspect{Suspect::Kind::files, instruction_of(*origin)};
    }
    if (step.causes.size() != 1) return std::nullopt;
    const std::optional<std::string> variable = changed_variable(step.causes.front());
    return variable ? std::optional(Suspect{Suspect::Kind::variable, *variable}) : std::nullopt;
}

std::string text_of(const Suspect& suspect, const RecordedStep& step, const Sightings& seen) {
    const std::string what = instruction_of(step);
    const std::string cost = seen.seconds >= 0.1 ? fmt::format(", {:.1f}s in all", seen.seconds) : "";
    if (suspect.kind == Suspect::Kind::files)
        return fmt::format(
            "{0} before {1} changed {2} times, its output never{3}: put {1} above it, behind a COPY of the files that it "
            "reads",
            suspect.name, what, seen.times, cost);
    const bool is_argument = suspect.name.starts_with(argument_prefix);
    return fmt::format("{} changed {} times, the output of {} never{}: {} below it", suspect.name, seen.times, what,
                       cost, is_argument ? "declare its ARG" : "set it");
}

/// All builds of one Buildfile, the newest first.
std::vector<OrderHint> hints_of_file(const std::vector<const BuildRecord*>& records) {
    std::map<std::pair<StepName, Suspect>, Sightings> sightings;
    for (const BuildRecord* record : records)
        for (const RecordedStep& step : record->steps) {
            const std::optional<Suspect> suspect = suspect_of(*record, step);
            if (!suspect) continue;
            Sightings& seen = sightings[{name_of_step(step), *suspect}];
            ++seen.times;
            seen.seconds += step.duration;
            seen.results.insert(step.result);
        }
    std::vector<OrderHint> hints;
    for (const RecordedStep& step : records.front()->steps) {
        const auto from = sightings.lower_bound({name_of_step(step), Suspect{}});
        for (auto it = from; it != sightings.end() && it->first.first == name_of_step(step); ++it) {
            const Suspect& suspect = it->first.second;
            const Sightings& seen = it->second;
            if (seen.times < least_times || seen.results.size() != 1) continue;
            hints.push_back({.context = records.front()->context,
                             .place = step.place,
                             .text = text_of(suspect, step, seen),
                             .times = seen.times,
                             .seconds = seen.seconds});
        }
    }
    return hints;
}

}  // namespace

std::vector<OrderHint> order_hints(std::span<const BuildRecord> records) {
    std::map<FileName, std::vector<const BuildRecord*>> by_file;
    for (const BuildRecord& record : records) by_file[file_of(record)].push_back(&record);
    std::vector<OrderHint> hints;
    for (const auto& [file, builds] : by_file)
        for (OrderHint& hint : hints_of_file(builds)) hints.push_back(std::move(hint));
    std::ranges::stable_sort(hints, std::ranges::greater(),
                             [](const OrderHint& hint) { return std::pair(hint.seconds, hint.times); });
    return hints;
}

}  // namespace imgbuild::cli
