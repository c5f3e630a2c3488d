// SPDX-License-Identifier: Apache-2.0
#include "cli/builds/build_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/atomic_file.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace imgbuild::cli {
namespace {

constexpr std::size_t kept_records = 200;
constexpr std::int64_t record_version = 1;
constexpr std::array outcomes{std::pair{StepOutcome::cached, std::string_view("cached")},
                              std::pair{StepOutcome::done, std::string_view("done")},
                              std::pair{StepOutcome::failed, std::string_view("failed")},
                              std::pair{StepOutcome::stopped, std::string_view("stopped")}};

std::string_view name_of(StepOutcome outcome) {
    return std::ranges::find(outcomes, outcome, [](const auto& known) { return known.first; })->second;
}

StepOutcome outcome_from_name(std::string_view name) {
    const auto found = std::ranges::find(outcomes, name, [](const auto& known) { return known.second; });
    return found == outcomes.end() ? StepOutcome::stopped : found->first;
}

std::int64_t milliseconds(double seconds) { return std::llround(seconds * 1000); }
std::int64_t microseconds(double seconds) { return std::llround(seconds * 1'000'000); }

std::vector<std::string> strings_of(const Json& list) {
    std::vector<std::string> strings;
    for (const Json& text : list)
        if (text.is_string()) strings.push_back(text.get<std::string>());
    return strings;
}

void decode_state(const Json& object, RecordedStep& step) {
    if (const auto below = optional_integer(object, "below", "step"); below && *below >= 0)
        step.below = static_cast<std::size_t>(*below);
    if (const Json* deltas = optional_array(object, "deltas", "step")) step.deltas = strings_of(*deltas);
    step.user = optional_string(object, "user", "step");
    step.directory = optional_string(object, "directory", "step");
    if (const Json* environment = optional_array(object, "environment", "step"))
        step.environment = strings_of(*environment);
    if (const Json* mounts = optional_array(object, "mounts", "step"))
        step.mounts.assign(mounts->begin(), mounts->end());
}

void encode_state(Json& object, const RecordedStep& step) {
    if (step.below) object["below"] = *step.below;
    if (!step.deltas.empty()) object["deltas"] = step.deltas;
    if (step.user) object["user"] = *step.user;
    if (step.directory) object["directory"] = *step.directory;
    if (step.environment) object["environment"] = *step.environment;
    if (!step.mounts.empty()) object["mounts"] = step.mounts;
}

RecordedStep decode_step(const Json& object, std::size_t place) {
    RecordedStep step;
    step.name = required_string(object, "name", "step");
    step.place = optional_string(object, "place", "step").value_or("");
    step.is_step = optional_integer(object, "step", "step").value_or(0) != 0;
    step.outcome = outcome_from_name(required_string(object, "outcome", "step"));
    step.begin = static_cast<double>(required_integer(object, "begin", "step")) / 1000;
    step.duration = static_cast<double>(required_integer(object, "duration", "step")) / 1000;
    if (const Json* causes = optional_array(object, "causes", "step")) step.causes = strings_of(*causes);
    step.error = optional_string(object, "error", "step").value_or("");
    if (const auto end = object.find("end"); end != object.end()) step.end = *end;
    step.log = optional_string(object, "log", "step").value_or("");
    decode_state(object, step);
    step.stage = optional_string(object, "stage", "step").value_or("");
    step.result = optional_string(object, "result", "step").value_or("");
    step.cost = static_cast<double>(optional_integer(object, "cost", "step").value_or(0)) / 1000;
    if (const Json* inputs = optional_array(object, "inputs", "step"))
        for (const Json& input : *inputs)
            if (input.is_number_integer() && input.get<std::int64_t>() >= 0 && input.get<std::size_t>() < place)
                step.inputs.push_back(input.get<std::size_t>());
    return step;
}

Json encode_step(const RecordedStep& step) {
    Json object{{"name", step.name}};
    if (!step.place.empty()) object["place"] = step.place;
    if (step.is_step) object["step"] = 1;
    object["outcome"] = name_of(step.outcome);
    object["begin"] = milliseconds(step.begin);
    object["duration"] = milliseconds(step.duration);
    if (!step.causes.empty()) object["causes"] = step.causes;
    if (!step.error.empty()) object["error"] = step.error;
    if (!step.end.is_null()) object["end"] = step.end;
    if (!step.log.empty()) object["log"] = step.log;
    encode_state(object, step);
    if (!step.stage.empty()) object["stage"] = step.stage;
    if (!step.inputs.empty()) object["inputs"] = step.inputs;
    if (!step.result.empty()) object["result"] = step.result;
    if (step.cost > 0) object["cost"] = milliseconds(step.cost);
    return object;
}

Json encode_inputs(const RecordedInputs& inputs) {
    Json object{{"flags", inputs.flags}, {"buildfileName", inputs.buildfile_name}, {"buildfile", inputs.buildfile}};
    object["bases"] = Json::array();
    for (const RecordedInputs::Base& base : inputs.bases)
        object["bases"].push_back(
            {{"reference", base.reference}, {"platform", base.platform}, {"digest", base.digest}});
    object["contexts"] = Json::array();
    for (const RecordedInputs::Source& source : inputs.contexts)
        object["contexts"].push_back({{"name", source.name}, {"identity", source.identity}});
    return object;
}

RecordedInputs decode_inputs(const Json& object) {
    const std::string what = "build record: inputs";
    RecordedInputs inputs;
    if (const Json* flags = optional_array(object, "flags", what)) inputs.flags = strings_of(*flags);
    inputs.buildfile_name = required_string(object, "buildfileName", what);
    inputs.buildfile = required_string(object, "buildfile", what);
    if (const Json* bases = optional_array(object, "bases", what))
        for (const Json& base : *bases)
            inputs.bases.push_back({required_string(base, "reference", what), required_string(base, "platform", what),
                                    required_string(base, "digest", what)});
    if (const Json* contexts = optional_array(object, "contexts", what))
        for (const Json& source : *contexts)
            inputs.contexts.push_back(
                {required_string(source, "name", what), required_string(source, "identity", what)});
    return inputs;
}

}  // namespace

std::size_t BuildRecord::count_steps() const noexcept {
    return static_cast<std::size_t>(std::ranges::count(steps, true, &RecordedStep::is_step));
}

std::size_t BuildRecord::count_cached() const noexcept {
    return static_cast<std::size_t>(std::ranges::count_if(
        steps, [](const RecordedStep& step) { return step.is_step && step.outcome == StepOutcome::cached; }));
}

std::string BuildRecord::encode() const {
    Json object{{"version", record_version},
                {"started", started},
                {"duration", milliseconds(duration)},
                {"context", context},
                {"succeeded", succeeded ? 1 : 0}};
    if (!result.empty()) object["result"] = result;
    if (!images.empty()) object["images"] = images;
    if (inputs) object["inputs"] = encode_inputs(*inputs);
    object["steps"] = Json::array();
    for (const RecordedStep& step : steps) object["steps"].push_back(encode_step(step));
    return write_json(object) + "\n";
}

BuildRecord BuildRecord::decode(std::string_view json) {
    const std::string what = "build record";
    const Json object = parse_json(json, what);
    if (required_integer(object, "version", what) != record_version)
        throw Error(ErrorKind::invalid_input, "build record: of another version");
    BuildRecord record;
    record.started = required_integer(object, "started", what);
    record.duration = static_cast<double>(required_integer(object, "duration", what)) / 1000;
    record.context = required_string(object, "context", what);
    record.succeeded = required_integer(object, "succeeded", what) != 0;
    record.result = optional_string(object, "result", what).value_or("");
    if (const Json* images = optional_array(object, "images", what)) record.images = strings_of(*images);
    if (const Json* inputs = optional_object(object, "inputs", what)) record.inputs = decode_inputs(*inputs);
    if (const Json* list = optional_array(object, "steps", what))
        for (const Json& step : *list) record.steps.push_back(decode_step(step, record.steps.size()));
    return record;
}

std::string BuildRecord::trace() const {
    std::vector<double> free_at;  // by row
    Json events = Json::array();
    for (const RecordedStep& step : steps) {
        auto row = std::ranges::find_if(free_at, [&](double time) { return time <= step.begin; });
        if (row == free_at.end()) row = free_at.insert(free_at.end(), 0);
        *row = step.begin + step.duration;
        Json event{{"name", step.name},
                   {"cat", std::string(name_of(step.outcome))},
                   {"ph", "X"},
                   {"ts", microseconds(step.begin)},
                   {"dur", microseconds(step.duration)},
                   {"pid", 1},
                   {"tid", row - free_at.begin() + 1}};
        if (!step.place.empty()) event["args"]["place"] = step.place;
        if (!step.causes.empty()) event["args"]["because"] = step.causes;
        events.push_back(std::move(event));
    }
    return write_json({{"traceEvents", std::move(events)}, {"displayTimeUnit", "ms"}}) + "\n";
}

// Names sort by time.
void save_record(layerstore::Store& store, const BuildRecord& record) {
    try {
        const Directory builds = store.subdirectory("builds");
        const std::string json = record.encode();
        const std::string name = fmt::format("{:013}-{}.json", record.started, Sha256::of(json).hex().substr(0, 8));
        write_file_atomically(builds, name, json, Durability::none);
        std::vector<std::string> names = builds.list();
        std::ranges::sort(names);
        for (std::size_t i = 0; i + kept_records < names.size(); ++i) builds.remove_tree(names[i]);
    } catch (const Error&) {
        // Nothing that a build is for depends on it.
    }
}

BuildRecord choose_record(layerstore::Store& store, const std::optional<std::string>& id, std::string_view who) {
    std::vector<BuildRecord> records = load_records(store);
    if (records.empty()) throw Error(ErrorKind::not_found, fmt::format("{}: the store remembers no build", who));
    if (!id) return std::move(records.front());
    const auto found =
        std::ranges::find_if(records, [&](const BuildRecord& record) { return record.id.starts_with(*id); });
    if (found == records.end())
        throw Error(ErrorKind::not_found, fmt::format("{}: no build {}", who, printable(*id)),
                    "`imgbuild builds` lists those that the store remembers");
    return std::move(*found);
}

bool is_called(const RecordedStep& step, std::string_view word) {
    const bool is_line = word.find_first_not_of("0123456789") == std::string_view::npos;
    return is_line ? step.place.ends_with(fmt::format(":{}", word)) : step.name.find(word) != std::string::npos;
}

std::vector<BuildRecord> load_records(layerstore::Store& store) {
    constexpr std::string_view ending = ".json";
    const Directory builds = store.subdirectory("builds");
    std::vector<std::string> names = builds.list();
    std::ranges::sort(names, std::greater());
    std::vector<BuildRecord> records;
    for (const std::string& name : names) {
        if (!name.ends_with(ending)) continue;
        try {
            records.push_back(BuildRecord::decode(builds.read_file(ImagePath().child(name), json_max_bytes)));
            records.back().id = name.substr(0, name.size() - ending.size());
        } catch (const Error&) {
            continue;
        }
    }
    return records;
}

}  // namespace imgbuild::cli
