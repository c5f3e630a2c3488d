// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes down what happens in a build, and hands every event on.

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "cli/builds/build_record.h"
#include "cli/progress/progress.h"

namespace imgbuild::cli {

class Recorder final : public Progress {
  public:
    using Clock = std::function<std::chrono::nanoseconds()>;
    using Locate = std::function<std::string(parser::Span)>;

    Recorder(std::unique_ptr<Progress> shown, Clock clock);

    /// How places of the Buildfile are written; before the plan is known.
    void set_locate(Locate locate) { locate_ = std::move(locate); }
    /// From now on events go to `shown`, which sees the plan anew.
    void show(std::unique_ptr<Progress> shown) { shown_ = std::move(shown); }
    /// What happened so far, with the time it took.
    BuildRecord record() const;

    void plan_known(const builder::BuildPlan& plan) override;
    void started(builder::NodeId node) override;
    void explained(builder::NodeId node, const std::vector<std::string>& causes) override;
    void made(builder::NodeId node, const builder::StepFacts& facts) override;
    void output(builder::NodeId node, std::string_view bytes) override { shown_->output(node, bytes); }
    void cached(builder::NodeId node) override;
    void finished(builder::NodeId node, std::chrono::nanoseconds duration, std::string_view detail) override;
    void failed(builder::NodeId node, const builder::StepFailure& failure) override;
    void deltas_known(builder::NodeId node, std::span<const DeltaId> deltas) override;
    void layers_failed(builder::NodeId node) override { shown_->layers_failed(node); }
    void warning(std::string_view text) override { shown_->warning(text); }
    void finish() override { shown_->finish(); }

  private:
    RecordedStep& step_of(builder::NodeId node);
    double now() const;
    void end(builder::NodeId node, StepOutcome outcome);
    void note_surroundings(RecordedStep& step, const builder::PlanNode& planned);

    std::unique_ptr<Progress> shown_;
    Clock clock_;
    std::chrono::nanoseconds begin_;
    Locate locate_;
    const builder::BuildPlan* plan_ = nullptr;
    std::map<builder::NodeId, std::size_t> places_;  ///< in record_.steps
    BuildRecord record_;
};

}  // namespace imgbuild::cli
