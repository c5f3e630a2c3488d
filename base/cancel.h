// SPDX-License-Identifier: Apache-2.0
#pragma once

// The wish to stop, from a signal handler or another thread, seen by everything that waits or loops.

#include <chrono>

namespace imgbuild {

/// Asks everything to stop; `signal` (SIGINT, SIGTERM, SIGHUP) decides the exit code. Async-signal-safe.
void request_cancel(int signal) noexcept;
/// The signal that asked, 0 if nobody did.
int cancel_signal() noexcept;
/// A descriptor that becomes readable when somebody asks, for poll(2); -1 before it was prepared, and in a CancelGrace.
int cancel_fd() noexcept;
/// Opens cancel_fd() and installs handlers for SIGINT, SIGTERM and SIGHUP; SIGPIPE is ignored.
void install_cancel_handlers();
/// Throws Error{interrupted} when somebody asked.
void throw_if_cancelled();

/// While it lives, its thread does not hear of a wish to stop until so long after it came: for what a program that stops
/// still leaves behind. One at a time for a thread.
class CancelGrace {
  public:
    explicit CancelGrace(std::chrono::nanoseconds grace) noexcept;
    ~CancelGrace();
    CancelGrace(const CancelGrace&) = delete;
    CancelGrace& operator=(const CancelGrace&) = delete;
};

}  // namespace imgbuild
