// SPDX-License-Identifier: Apache-2.0
#pragma once

// The wish to stop, from a signal handler or another thread, seen by everything that waits or loops.

namespace imgbuild {

/// Asks everything to stop; `signal` (SIGINT, SIGTERM, SIGHUP) decides the exit code. Async-signal-safe.
void request_cancel(int signal) noexcept;
/// The signal that asked, 0 if nobody did.
int cancel_signal() noexcept;
/// A descriptor that becomes readable when somebody asks, for poll(2); -1 before it was prepared.
int cancel_fd() noexcept;
/// Opens cancel_fd() and installs handlers for SIGINT, SIGTERM and SIGHUP; SIGPIPE is ignored.
void install_cancel_handlers();
/// Throws Error{interrupted} when somebody asked.
void throw_if_cancelled();

}  // namespace imgbuild
