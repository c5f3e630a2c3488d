// SPDX-License-Identifier: Apache-2.0
#include "base/cancel.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>

#include "base/error.h"

namespace imgbuild {
namespace {

std::atomic<int> asked_by{0};
std::atomic<std::int64_t> asked_at{0};  // as nanoseconds() has it
std::atomic<int> event{-1};
thread_local std::int64_t grace_of_thread = 0;  // nanoseconds

// Async-signal-safe.
std::int64_t nanoseconds() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

void request_cancel(int signal) noexcept {
    int saved = errno;
    int nobody = 0;
    std::int64_t never = 0;
    asked_at.compare_exchange_strong(never, nanoseconds());
    asked_by.compare_exchange_strong(nobody, signal);
    std::uint64_t one = 1;
    if (event >= 0 && ::write(event, &one, sizeof one) < 0) {
        // The counter is full: it is readable already, which is all that is wanted.
    }
    errno = saved;
}

int cancel_signal() noexcept {
    const int signal = asked_by;
    if (signal == 0 || grace_of_thread == 0) return signal;
    return nanoseconds() - asked_at < grace_of_thread ? 0 : signal;
}

int cancel_fd() noexcept { return grace_of_thread == 0 ? event.load() : -1; }

CancelGrace::CancelGrace(std::chrono::nanoseconds grace) noexcept { grace_of_thread = grace.count(); }
CancelGrace::~CancelGrace() { grace_of_thread = 0; }

void install_cancel_handlers() {
    event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event < 0) throw_errno("make", "an event descriptor");
    struct sigaction action {};
    action.sa_handler = [](int signal) { request_cancel(signal); };
    for (int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
}

void throw_if_cancelled() {
    if (cancel_signal() != 0) throw Error(ErrorKind::interrupted, "interrupted");
}

}  // namespace imgbuild
