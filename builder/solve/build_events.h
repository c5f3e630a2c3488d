// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a running build tells whoever watches. All calls come from the thread that called solve(), in the order in
// which things happened.

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "builder/plan/build_plan.h"
#include "builder/sandbox/run_end.h"

namespace imgbuild::builder {

/// How a node failed.
struct StepFailure {
    std::string message;        ///< one line, for people
    std::optional<RunEnd> end;  ///< of a command that failed
    std::string log;            ///< the path of its full output; empty where there is none
};

/// What a step with files came to.
struct StepFacts {
    DeltaId delta;                     ///< equal for equal files
    std::chrono::milliseconds cost{};  ///< how long it took when it was done, now or in an earlier build
};

class BuildObserver {
  public:
    virtual ~BuildObserver() = default;

    /// Before anything else. The plan outlives the observer's use.
    virtual void plan_known(const BuildPlan& plan) = 0;
    /// A step (PlanNode::number is not 0), or work without a number: a context, a base image, a fetch.
    virtual void started(NodeId node) = 0;
    /// Why a step that was started is done, one line each, for people; between started() and its end, at most twice:
    /// what differs from an earlier build comes before the work, which files of a COPY differ behind it.
    virtual void explained(NodeId node, const std::vector<std::string>& causes) = 0;
    /// What a command printed, as it came: not cut into lines, any bytes.
    virtual void output(NodeId node, std::string_view bytes) = 0;
    /// Before cached() or finished() of a COPY, ADD, WORKDIR or RUN.
    virtual void made(NodeId, const StepFacts&) {}
    /// Nothing had to be done.
    virtual void cached(NodeId node) = 0;
    /// `detail` says more for people ("3 files, 1.2 MiB"); may be empty.
    virtual void finished(NodeId node, std::chrono::nanoseconds duration, std::string_view detail) = 0;
    /// Never of what will be tried again: then a warning comes, and started() or cached() once more.
    virtual void failed(NodeId node, const StepFailure& failure) = 0;
    /// What the node came to, after finished() or cached(): its own deltas, which lie on those of its first input.
    virtual void deltas_known(NodeId, std::span<const DeltaId>) {}
    /// What the node came to is there, and its layers could not be packed or fetched. After finished() or cached().
    virtual void layers_failed(NodeId node) = 0;
    /// Something that a user should know and that is no error.
    virtual void warning(std::string_view text) = 0;
};

}  // namespace imgbuild::builder
