// SPDX-License-Identifier: Apache-2.0
#pragma once

// Waits for a command and answers its calls meanwhile.

#include <span>

#include "base/process.h"
#include "builder/sandbox/channel.h"
#include "builder/sandbox/intercept/listener.h"

namespace imgbuild::builder {

/// Decides about the calls of one sandbox. Used by one thread.
class CallHandler {
  public:
    CallHandler() = default;
    CallHandler(const CallHandler&) = delete;
    CallHandler& operator=(const CallHandler&) = delete;
    virtual ~CallHandler() = default;

    virtual std::span<const WatchedCall> calls() const = 0;
    /// An Error becomes EIO for the task.
    virtual CallAnswer answer(const WaitingCall& call, const CallListener& listener) = 0;
};

/// In the process that becomes the command: has the calls watched and sends the listener. What `calls` names is answered
/// by who receives it.
void hand_over_calls(std::span<const WatchedCall> calls, Channel& channel);

/// Blocks SIGCHLD as long as it lives: made before the command is started, so that its end is not missed.
class ChildSignals {
  public:
    ChildSignals();
    ChildSignals(const ChildSignals&) = delete;
    ChildSignals& operator=(const ChildSignals&) = delete;
    int fd() const noexcept { return fd_.get(); }

  private:
    Fd fd_;
};

/// Answers calls until `command`, a child, has ended; reaps whatever else ends. `channel` brings the listener of
/// hand_over_calls(), or closes: then the command is only waited for.
ExitStatus supervise(pid_t command, const ChildSignals& signals, Channel& channel, CallHandler& handler);

}  // namespace imgbuild::builder
