// SPDX-License-Identifier: Apache-2.0
#pragma once

// One JSON object a line for each event, for programs. "event" says which; "node" is an index into the plan's nodes as
// `imgbuild plan` prints them; times are seconds since the build began; "data" of an output is base64 of the bytes.

#include <chrono>
#include <functional>

#include "cli/progress/progress.h"

namespace imgbuild::cli {

class RawJsonProgress final : public Progress {
  public:
    using Write = std::function<void(std::string_view)>;
    using Clock = std::function<std::chrono::nanoseconds()>;

    RawJsonProgress(Write write, Clock clock) : write_(std::move(write)), clock_(std::move(clock)), begin_(clock_()) {}

    void plan_known(const builder::BuildPlan& plan) override;
    void started(builder::NodeId node) override;
    void explained(builder::NodeId node, const std::vector<std::string>& causes) override;
    void output(builder::NodeId node, std::string_view bytes) override;
    void cached(builder::NodeId node) override;
    void finished(builder::NodeId node, std::chrono::nanoseconds duration, std::string_view detail) override;
    void failed(builder::NodeId node, const builder::StepFailure& failure) override;
    void layers_failed(builder::NodeId node) override;
    void warning(std::string_view text) override;

  private:
    double now() const { return std::chrono::duration<double>(clock_() - begin_).count(); }

    Write write_;
    Clock clock_;
    std::chrono::nanoseconds begin_;
};

}  // namespace imgbuild::cli
