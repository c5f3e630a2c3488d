// SPDX-License-Identifier: Apache-2.0
#pragma once

// System calls of a command that another process answers: the kernel's seccomp user notification. This is no security
// boundary: a command can change what a pointer of its call points to between our look and the kernel's, and then it
// has fooled itself.

#include <linux/seccomp.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/fd.h"

namespace imgbuild::builder {

/// A call that is to be answered: always, or when bits of one of its arguments are set, are not, or are all of it.
struct WatchedCall {
    enum class When : std::uint8_t { always, any_set, none_set, equal };
    long number = 0;
    When when = When::always;
    unsigned argument = 0;
    std::uint32_t bits = 0;
};

/// From here on the watched calls of this process and its children wait for who reads the descriptor. Needs the right to
/// administer, or no_new_privs. Throws Error: EBUSY where an outer process listens already.
Fd listen_to_calls(std::span<const WatchedCall> calls);

/// True where this process can answer the calls of a child and read its memory: tried with one.
bool can_intercept();

/// One call that waits.
struct WaitingCall {
    std::uint64_t id = 0;
    pid_t task = 0;  ///< the thread, as seen from here
    seccomp_data data{};
    std::uint64_t argument(unsigned index) const noexcept { return data.args[index]; }
    int int_argument(unsigned index) const noexcept { return static_cast<int>(data.args[index]); }
};

/// What becomes of a waiting call.
class CallAnswer {
  public:
    /// The kernel does what was asked for.
    static CallAnswer proceed() { return CallAnswer(Kind::proceed); }
    static CallAnswer value(std::int64_t value) { return CallAnswer(Kind::value, value); }
    /// `problem` is an errno value.
    static CallAnswer fail(int problem) { return CallAnswer(Kind::error, problem); }
    /// What a call of ours gave: -1 is a failure by errno.
    static CallAnswer of_result(std::int64_t result);
    /// A descriptor of the task for the same open file.
    static CallAnswer give(Fd file, bool close_on_exec);

  private:
    friend class CallListener;
    enum class Kind : std::uint8_t { proceed, value, error, file };
    explicit CallAnswer(Kind kind, std::int64_t value = 0) : kind_(kind), value_(value) {}
    Kind kind_;
    std::int64_t value_ = 0;
    Fd file_;
    bool close_on_exec_ = false;
};

class CallListener {
  public:
    explicit CallListener(Fd listener);

    int fd() const noexcept { return listener_.get(); }
    /// The next call; empty when the task was killed meanwhile.
    std::optional<WaitingCall> receive();
    /// True if the task still waits: what was read of its memory was its own, and not another's with the same number.
    bool is_waiting(const WaitingCall& call) const noexcept;
    void answer(const WaitingCall& call, CallAnswer answer);

  private:
    Fd listener_;
    std::vector<std::uint64_t> notification_;  // aligned, as large as the kernel says
    std::vector<std::uint64_t> response_;
};

}  // namespace imgbuild::builder
