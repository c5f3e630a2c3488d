// SPDX-License-Identifier: Apache-2.0
#pragma once

// The init of a sandbox as the process that started it sees it: a child that builds the sandbox, starts the command,
// and reports. And what inits of all rungs have in common.

#include <sys/types.h>

#include <functional>
#include <memory>

#include "base/error.h"
#include "base/process.h"
#include "base/wire.h"
#include "builder/sandbox/cgroup.h"
#include "builder/sandbox/channel.h"
#include "builder/sandbox/network/frame_relay.h"
#include "builder/sandbox/run_end.h"

namespace imgbuild::builder {

/// What the init says to the process that started it; the first byte of each report.
enum class Report : std::uint8_t { ready, terminal, network, status, error };

/// What the process that started an init does meanwhile.
struct InitWatch {
    const Cgroup& cgroup;                         ///< that the command joins
    int watched = -1;                             ///< a socket: the command is killed when its other end closes or has
                                                  ///< finished sending
    std::uint64_t timeout_milliseconds = 0;       ///< after which the command is killed; 0: never
    std::function<void(WireReader&)> when_ready;  ///< gets what came with Report::ready; may be empty
    std::function<void(Fd)> when_terminal;        ///< gets the other end of the command's terminal; may be empty
    /// Gets what the frames of the command's network come through; may be empty.
    std::function<std::unique_ptr<FrameRelay>(Fd)> make_relay;
};

/// Kills the init unless it was waited for; it is gone when this is.
class InitProcess {
  public:
    explicit InitProcess(pid_t pid) : pid_(pid) {}
    InitProcess(const InitProcess&) = delete;
    InitProcess& operator=(const InitProcess&) = delete;
    ~InitProcess();
    void wait();

    /// Follows the reports on `channel` to the init's end, which it waits for, and says how the command ended. An Error
    /// that the init reports is thrown; Error{interrupted} when `watch` says that nobody wants the command any more.
    RunEnd follow(Channel& channel, const InitWatch& watch);

  private:
    void kill() noexcept;
    void follow_reports(Channel& channel, const InitWatch& watch, RunEnd& end);
    bool follow_report(Channel& channel, const InitWatch& watch, RunEnd& end);

    pid_t pid_;
    std::unique_ptr<FrameRelay> relay_;
};

// On the init's side.

/// Dies with the process that started us, also when that died before this line.
void die_with_parent(const Channel& channel);
void report_error(Channel& channel, const Error& error) noexcept;
void report_status(Channel& channel, const ExitStatus& status);
void report_terminal(Channel& channel, const Fd& other_end);
void report_network(Channel& channel, const Fd& frames);
/// How a process ended, from waitpid's word.
ExitStatus exit_status_of(int wait_status) noexcept;

}  // namespace imgbuild::builder
