// SPDX-License-Identifier: Apache-2.0
#pragma once

// A RUN that failed: how, and as long as somebody wants to look, what it left.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "builder/sandbox/run_end.h"
#include "builder/sandbox/sandbox.h"
#include "builder/sandbox/socket_relay.h"
#include "builder/solve/own_command.h"

namespace imgbuild::builder {

/// The state that a failed command left: its files, and all that it was given. Nothing of it enters an image.
class FailedState {
  public:
    /// `find_tools` lays the tools of a shell down. What it uses must outlive the object.
    FailedState(RunSpec spec, std::vector<std::unique_ptr<SocketRelay>> relays, std::unique_ptr<RunResult> result,
                FindTools find_tools);

    /// Runs a command of the user's own in it; any number of times.
    RunEnd run(const OwnCommand& command, const Attachment& attachment);

  private:
    RunSpec spec_;
    std::vector<std::unique_ptr<SocketRelay>> relays_;
    std::unique_ptr<RunResult> result_;
    FindTools find_tools_;
};

/// Error{command_failed} with the last lines of the output, and the log's place, in its hint.
class CommandFailed : public Error {
  public:
    CommandFailed(const std::string& message, std::string hint, RunEnd end, std::string log)
        : Error(ErrorKind::command_failed, message, std::move(hint)), end_(std::move(end)), log_(std::move(log)) {}

    const RunEnd& end() const noexcept { return end_; }
    /// Path of the full log; empty where the disk did not take it.
    const std::string& log() const noexcept { return log_; }
    /// Null unless SolveOptions::when_command_failed is there to use it.
    const std::shared_ptr<FailedState>& state() const noexcept { return state_; }
    void keep(std::shared_ptr<FailedState> state) { state_ = std::move(state); }

  private:
    RunEnd end_;
    std::string log_;
    std::shared_ptr<FailedState> state_;
};

/// "exit status 3", "killed by signal 11 (SIGSEGV)", "out of memory: …": for people.
std::string describe_end(const RunEnd& end, const RunSpec& spec);

}  // namespace imgbuild::builder
