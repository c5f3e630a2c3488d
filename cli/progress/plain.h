// SPDX-License-Identifier: Apache-2.0
#pragma once

// Lines for logs, as buildx's plain progress has them:
//
//     #2 [build 2/5] RUN make
//     #2 0.123 what it prints
//     #2 DONE 1.2s
//
// A block that is not finished ends in "#2 ..." when another step speaks, and begins again with its name.

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "cli/progress/output_lines.h"
#include "cli/progress/progress.h"

namespace imgbuild::cli {

class PlainProgress final : public Progress {
  public:
    using Write = std::function<void(std::string_view)>;
    using Clock = std::function<std::chrono::nanoseconds()>;

    /// With `explains`, why each step is done as well.
    PlainProgress(Write write, Clock clock, bool explains)
        : write_(std::move(write)), clock_(std::move(clock)), explains_(explains) {}

    void plan_known(const builder::BuildPlan& plan) override { plan_ = &plan; }
    void started(builder::NodeId node) override;
    void explained(builder::NodeId node, const std::vector<std::string>& causes) override;
    void output(builder::NodeId node, std::string_view bytes) override;
    void cached(builder::NodeId node) override;
    void finished(builder::NodeId node, std::chrono::nanoseconds duration, std::string_view detail) override;
    void failed(builder::NodeId node, const builder::StepFailure& failure) override;
    void layers_failed(builder::NodeId node) override;
    void warning(std::string_view text) override;

  private:
    struct Block {
        std::size_t number = 0;  ///< from 1, in the order of appearance
        std::chrono::nanoseconds begin{};
        LineCollector lines;
    };

    Block& speak(builder::NodeId node);
    void say(const Block& block, std::string_view text);
    void print_line(const Block& block, std::string_view line);
    void end(builder::NodeId node, std::string_view text);
    void flush();

    Write write_;
    Clock clock_;
    bool explains_;
    const builder::BuildPlan* plan_ = nullptr;
    std::map<builder::NodeId, Block> blocks_;
    std::optional<builder::NodeId> speaking_;
    std::string unwritten_;  ///< of the event that is being told: one write for all its lines
};

}  // namespace imgbuild::cli
