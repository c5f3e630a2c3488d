// SPDX-License-Identifier: Apache-2.0
#include "base/cancel.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>

#include "base/error.h"

namespace imgbuild {
namespace {

std::atomic<int> asked_by{0};
std::atomic<int> event{-1};

}  // namespace

void request_cancel(int signal) noexcept {
    int saved = errno;
    int nobody = 0;
    asked_by.compare_exchange_strong(nobody, signal);
    std::uint64_t one = 1;
    if (event >= 0 && ::write(event, &one, sizeof one) < 0) {
        // The counter is full: it is readable already, which is all that is wanted.
    }
    errno = saved;
}

int cancel_signal() noexcept { return asked_by; }
int cancel_fd() noexcept { return event; }

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
