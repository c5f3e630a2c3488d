// SPDX-License-Identifier: Apache-2.0
#pragma once

// A live picture on a terminal: what has ended scrolls away above, what runs stands in a block below that is redrawn,
// with timers and the last lines of output. Only whole pictures are written, no mode of the terminal is changed, so
// that a program that dies leaves nothing to restore.

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cli/progress/output_lines.h"
#include "cli/progress/progress.h"

namespace imgbuild::cli {

class TtyProgress final : public Progress {
  public:
    struct Size {
        std::size_t columns = 80;
        std::size_t rows = 24;
    };
    struct Screen {
        std::function<void(std::string_view)> write;
        std::function<std::chrono::nanoseconds()> clock;
        std::function<Size()> size;
    };
    static constexpr std::size_t tail_lines = 6;  ///< of output, for each running step

    /// With `redraws` a thread redraws ten times a second; tests do without. With `explains` the causes of a step scroll
    /// by below it when it has ended.
    TtyProgress(Screen screen, bool redraws, bool explains = false);
    ~TtyProgress() override;

    void plan_known(const builder::BuildPlan& plan) override;
    void started(builder::NodeId node) override;
    void explained(builder::NodeId node, const std::vector<std::string>& causes) override;
    void output(builder::NodeId node, std::string_view bytes) override;
    void cached(builder::NodeId node) override;
    void finished(builder::NodeId node, std::chrono::nanoseconds duration, std::string_view detail) override;
    void failed(builder::NodeId node, const builder::StepFailure& failure) override;
    void layers_failed(builder::NodeId node) override;
    void warning(std::string_view text) override;
    void finish() override;

    /// Draws the block anew, with the time of now.
    void redraw();

  private:
    struct Running {
        std::string name;
        std::chrono::nanoseconds begin{};
        LineCollector lines;
        std::deque<std::string> tail;
        std::vector<std::string> causes;
    };

    void loop();
    void end(builder::NodeId node, std::string_view mark, std::string_view time);
    void draw(std::string scrolled);
    std::vector<std::string> block() const;

    Screen screen_;
    bool explains_;
    std::mutex mutex_;
    const builder::BuildPlan* plan_ = nullptr;
    std::chrono::nanoseconds begin_{};
    std::map<builder::NodeId, Running> running_;
    std::size_t steps_ = 0;           ///< of the plan
    std::set<builder::NodeId> done_;  ///< of them; the solver may look at one twice
    std::size_t height_ = 0;          ///< lines of the block that stands on the screen
    std::condition_variable wake_;
    bool stopping_ = false;
    std::thread timer_;
};

}  // namespace imgbuild::cli
