// SPDX-License-Identifier: Apache-2.0
#include "base/cancel.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/error.h"

using namespace imgbuild;

namespace {

// A wish to stop is the whole process's, and for good: each is made in a process of its own.
template <class Check>
bool holds_in_child(Check check) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(check() ? 0 : 1);
    int status = 0;
    return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool is_interrupted() {
    try {
        throw_if_cancelled();
        return false;
    } catch (const Error& error) {
        return error.kind() == ErrorKind::interrupted;
    }
}

}  // namespace

TEST_CASE("the signal that asked first is the one that is told") {
    CHECK(holds_in_child([] {
        const bool nobody_asked = cancel_signal() == 0 && !is_interrupted();
        request_cancel(SIGTERM);
        request_cancel(SIGINT);
        return nobody_asked && cancel_signal() == SIGTERM && is_interrupted();
    }));
}

TEST_CASE("in its grace a thread does not hear of a wish to stop, and the others do") {
    CHECK(holds_in_child([] {
        request_cancel(SIGTERM);
        int heard_elsewhere = 0;
        {
            const CancelGrace grace(std::chrono::hours(1));
            std::thread([&] { heard_elsewhere = cancel_signal(); }).join();
            if (cancel_signal() != 0 || cancel_fd() != -1 || is_interrupted()) return false;
        }
        return heard_elsewhere == SIGTERM && cancel_signal() == SIGTERM && is_interrupted();
    }));
}

TEST_CASE("a grace is over some time after the wish came") {
    CHECK(holds_in_child([] {
        request_cancel(SIGINT);
        const CancelGrace grace(std::chrono::nanoseconds(1));
        return cancel_signal() == SIGINT && is_interrupted();
    }));
}
