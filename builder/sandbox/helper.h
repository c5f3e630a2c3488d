// SPDX-License-Identifier: Apache-2.0
#pragma once

// The helper process: our own program, run again from a sealed copy in memory (no process of a sandbox can then
// write to the file on disk through /proc/PID/exe), with one thread, in the user namespace of its rung. It only
// forks: each request has a connection of its own and is served by a child.

#include <mutex>
#include <optional>

#include "base/process.h"
#include "builder/sandbox/channel.h"
#include "builder/sandbox/probe.h"

namespace imgbuild::builder {

class Helper {
  public:
    /// Starts the helper of `rung` and gives its namespace the maps. Throws Error.
    explicit Helper(const Rung& rung);
    Helper(const Helper&) = delete;
    Helper& operator=(const Helper&) = delete;
    /// Lets it end; children that are still at work see that their connections closed, and end first.
    ~Helper();

    /// A connection for one request. Thread-safe.
    Channel connect();

  private:
    void enter_user_namespace(const Rung& rung);
    void expect_ready();

    std::mutex mutex_;
    Channel control_;
    std::optional<Process> process_;
};

}  // namespace imgbuild::builder
