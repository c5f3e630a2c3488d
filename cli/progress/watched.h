// SPDX-License-Identifier: Apache-2.0
#pragma once

// Passes events on and remembers which step failed first in plan order: the one that an Error of solve() is about.

#include <optional>

#include "cli/progress/progress.h"

namespace imgbuild::cli {

class WatchedBuild final : public builder::BuildObserver {
  public:
    /// `next` is borrowed.
    explicit WatchedBuild(builder::BuildObserver& next) : next_(next) {}

    /// Empty when the build failed outside of any step.
    std::optional<builder::NodeId> first_failed() const noexcept { return first_failed_; }

    void plan_known(const builder::BuildPlan& plan) override { next_.plan_known(plan); }
    void started(builder::NodeId node) override { next_.started(node); }
    void output(builder::NodeId node, std::string_view bytes) override { next_.output(node, bytes); }
    void cached(builder::NodeId node) override { next_.cached(node); }
    void finished(builder::NodeId node, std::chrono::nanoseconds duration, std::string_view detail) override {
        next_.finished(node, duration, detail);
    }
    void failed(builder::NodeId node) override {
        if (!first_failed_ || node < *first_failed_) first_failed_ = node;
        next_.failed(node);
    }
    void warning(std::string_view text) override { next_.warning(text); }

  private:
    builder::BuildObserver& next_;
    std::optional<builder::NodeId> first_failed_;
};

}  // namespace imgbuild::cli
