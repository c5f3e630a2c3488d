// SPDX-License-Identifier: Apache-2.0
#include "cli/builds/recorder.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "cli/builds/recorded_mounts.h"
#include "cli/progress/run_end_json.h"
#include "cli/progress/step_names.h"

namespace imgbuild::cli {
namespace {

// Values of build arguments stand in no record (docs/formats/build-record.md).
bool is_argument(const builder::RunCommand& command, std::string_view entry) {
    return std::ranges::count(command.build_arguments, entry.substr(0, entry.find('='))) > 0;
}

bool tells_argument(const builder::RunCommand& command, std::string_view text) {
    return std::ranges::any_of(command.environment, [&](std::string_view entry) {
        if (!is_argument(command, entry)) return false;
        const std::string_view value = entry.substr(std::min(entry.find('='), entry.size() - 1) + 1);
        return !value.empty() && text.find(value) != std::string_view::npos;
    });
}

}  // namespace

Recorder::Recorder(std::unique_ptr<Progress> shown, Clock clock)
    : shown_(std::move(shown)), clock_(std::move(clock)), begin_(clock_()) {
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
    record_.started = std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
}

BuildRecord Recorder::record() const {
    BuildRecord record = record_;
    record.duration = now();
    return record;
}

double Recorder::now() const { return std::chrono::duration<double>(clock_() - begin_).count(); }

RecordedStep& Recorder::step_of(builder::NodeId node) {
    const auto [place, is_new] = places_.try_emplace(node, record_.steps.size());
    if (is_new) {
        const builder::PlanNode& planned = plan_->nodes[node];
        RecordedStep& step = record_.steps.emplace_back();
        step.name = kept_step_name(*plan_, node);
        if (!planned.span.empty() && locate_) step.place = locate_(planned.span);
        step.is_step = planned.number != 0;
        if (step.is_step) step.stage = printable(planned.stage);
        for (const builder::NodeId input : planned.inputs)
            if (const auto known = places_.find(input); known != places_.end()) step.inputs.push_back(known->second);
        step.begin = now();
        note_surroundings(step, planned);
    }
    return record_.steps[place->second];
}

void Recorder::end(builder::NodeId node, StepOutcome outcome) {
    RecordedStep& step = step_of(node);
    step.outcome = outcome;
    step.duration = now() - step.begin;
}

void Recorder::plan_known(const builder::BuildPlan& plan) {
    plan_ = &plan;
    shown_->plan_known(plan);
}

void Recorder::started(builder::NodeId node) {
    RecordedStep& step = step_of(node);
    // Where damage in the store made it begin once more.
    step.begin = now();
    step.causes.clear();
    step.outcome = StepOutcome::stopped;
    shown_->started(node);
}

void Recorder::explained(builder::NodeId node, const std::vector<std::string>& causes) {
    RecordedStep& step = step_of(node);
    step.causes.insert(step.causes.end(), causes.begin(), causes.end());
    shown_->explained(node, causes);
}

void Recorder::made(builder::NodeId node, const builder::StepFacts& facts) {
    RecordedStep& step = step_of(node);
    step.result = facts.delta.value.hex();
    step.cost = std::chrono::duration<double>(facts.cost).count();
    shown_->made(node, facts);
}

void Recorder::cached(builder::NodeId node) {
    end(node, StepOutcome::cached);
    shown_->cached(node);
}

void Recorder::finished(builder::NodeId node, std::chrono::nanoseconds duration, std::string_view detail) {
    end(node, StepOutcome::done);
    shown_->finished(node, duration, detail);
}

void Recorder::failed(builder::NodeId node, const builder::StepFailure& failure) {
    end(node, StepOutcome::failed);
    RecordedStep& step = step_of(node);
    step.error = printable(failure.message);
    if (failure.end) step.end = json_of(*failure.end);
    step.log = failure.log;
    shown_->failed(node, failure);
}

void Recorder::deltas_known(builder::NodeId node, std::span<const DeltaId> deltas) {
    RecordedStep& step = step_of(node);
    step.deltas.clear();
    for (const DeltaId& delta : deltas) step.deltas.push_back(delta.value.hex());
    shown_->deltas_known(node, deltas);
}

// Of what is as in the step below nothing is written down: most steps of a stage have one environment.
void Recorder::note_surroundings(RecordedStep& step, const builder::PlanNode& planned) {
    if (!planned.inputs.empty())
        if (const auto below = places_.find(planned.inputs.front()); below != places_.end()) step.below = below->second;
    const auto* command = std::get_if<builder::RunCommand>(&planned.operation);
    const auto* from = std::get_if<builder::FromImage>(&planned.operation);
    if (from) {
        const layerstore::ImageConfig& config = from->image->image.config;
        step.environment = config.environment;
        step.user = config.user;
        step.directory = config.working_directory;
    }
    if (!command) return;
    for (const builder::RunMount& mount : command->mounts) {
        Json kept = json_of(mount);
        if (!tells_argument(*command, kept.dump())) step.mounts.push_back(std::move(kept));
    }
    if (!tells_argument(*command, command->user)) step.user = command->user;
    if (const std::string directory = command->working_directory.absolute(); !tells_argument(*command, directory))
        step.directory = directory;
    std::vector<std::string> environment = command->environment;
    std::erase_if(environment, [&](const std::string& entry) { return is_argument(*command, entry); });
    const auto* below = step.below ? &record_.steps[*step.below] : nullptr;
    while (below && !below->environment) below = below->below ? &record_.steps[*below->below] : nullptr;
    if (!below || *below->environment != environment) step.environment = std::move(environment);
}

}  // namespace imgbuild::cli
