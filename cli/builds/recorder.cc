// SPDX-License-Identifier: Apache-2.0
#include "cli/builds/recorder.h"

#include <utility>

#include "base/text.h"
#include "cli/progress/step_names.h"

namespace imgbuild::cli {

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

void Recorder::failed(builder::NodeId node) {
    end(node, StepOutcome::failed);
    shown_->failed(node);
}

}  // namespace imgbuild::cli
