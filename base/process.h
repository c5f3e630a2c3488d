// SPDX-License-Identifier: Apache-2.0
#pragma once

// Starting programs of the host: found by absolute path or on our own PATH, never through a shell, with only
// the descriptors that are named. (Commands of a build run in builder/sandbox, not here.)

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"

namespace imgbuild {

struct ExitStatus {
    int code = 0;    ///< exit code; 128 + signal when a signal ended it
    int signal = 0;  ///< 0 when it exited by itself
    bool ok() const noexcept { return code == 0; }
};

struct ProcessOptions {
    std::vector<std::string> arguments;                   ///< argv, the program first
    std::optional<std::vector<std::string>> environment;  ///< "NAME=value"; ours when empty
    std::string working_directory;                        ///< ours when empty
    std::vector<std::pair<int, int>> descriptors;         ///< (ours, number in the child); 0 is /dev/null, 1 and
                                                          ///< 2 are ours unless named here
};

/// A running child; the destructor kills and reaps one that was not waited for.
class Process {
  public:
    /// Throws Error{not_found} when the program does not exist, else Error by errno.
    static Process start(const ProcessOptions& options);
    Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
    Process& operator=(Process&&) = delete;
    ~Process();

    pid_t pid() const noexcept { return pid_; }
    ExitStatus wait();
    void kill(int signal) noexcept;

  private:
    explicit Process(pid_t pid) noexcept : pid_(pid) {}
    pid_t pid_ = -1;
};

struct CapturedOutput {
    ExitStatus status;
    std::string standard_output;
    std::string standard_error;
};

/// Runs a program to its end and collects what it prints, `limit` bytes of each stream at most.
CapturedOutput run_and_capture(const ProcessOptions& options, std::size_t limit = 1 << 20);

/// The absolute path of a program on our PATH; empty when there is none.
std::optional<std::string> find_program(const std::string& name);

}  // namespace imgbuild
