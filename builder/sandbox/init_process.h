// SPDX-License-Identifier: Apache-2.0
#pragma once

// The init of a sandbox as the process that started it sees it: a child that builds the sandbox, starts the command,
// and reports. And what inits of all rungs have in common.

#include <sys/types.h>

#include <functional>

#include "base/error.h"
#include "base/process.h"
#include "base/wire.h"
#include "builder/sandbox/channel.h"

namespace imgbuild::builder {

/// What the init says to the process that started it; the first byte of each report.
enum class Report : std::uint8_t { ready, status, error };

/// Kills the init unless it was waited for; it is gone when this is.
class InitProcess {
  public:
    explicit InitProcess(pid_t pid) : pid_(pid) {}
    InitProcess(const InitProcess&) = delete;
    InitProcess& operator=(const InitProcess&) = delete;
    ~InitProcess();
    void wait();

    /// Follows the reports on `channel` to the init's end, which it waits for, and says how the command ended;
    /// `when_ready` gets what came with Report::ready. An Error that the init reports is thrown; Error{interrupted} when
    /// the other end of `watched` closes or finishes sending.
    ExitStatus follow(Channel& channel, int watched, const std::function<void(WireReader&)>& when_ready);

  private:
    pid_t pid_;
};

// On the init's side.

/// Dies with the process that started us, also when that died before this line.
void die_with_parent(const Channel& channel);
void report_error(Channel& channel, const Error& error) noexcept;
void report_status(Channel& channel, const ExitStatus& status);
/// How a process ended, from waitpid's word.
ExitStatus exit_status_of(int wait_status) noexcept;

}  // namespace imgbuild::builder
