// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/intercept/supervisor.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "base/error.h"
#include "builder/sandbox/init_process.h"

namespace imgbuild::builder {
namespace {

void answer_next(CallListener& listener, CallHandler& handler) {
    const std::optional<WaitingCall> call = listener.receive();
    if (!call) return;
    CallAnswer answer = CallAnswer::fail(EIO);
    try {
        answer = handler.answer(*call, listener);
    } catch (const Error&) {
        // The task learns that something went wrong, and the build goes on.
    }
    listener.answer(*call, std::move(answer));
}

// How the command ended, if it is among what ended.
std::optional<ExitStatus> reap_and_look_for(pid_t command) {
    std::optional<ExitStatus> found;
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == command) found = exit_status_of(status);
    return found;
}

void drain_signals(int fd) {
    signalfd_siginfo info{};
    while (::read(fd, &info, sizeof info) > 0) {
    }
}

}  // namespace

void hand_over_calls(std::span<const WatchedCall> calls, Channel& channel) {
    const Fd listener = listen_to_calls(calls);
    const int number = listener.get();
    channel.send("listener", std::span(&number, 1));
}

ChildSignals::ChildSignals() {
    sigset_t children;
    ::sigemptyset(&children);
    ::sigaddset(&children, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &children, nullptr);
    fd_ = Fd(::signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!fd_) throw_errno("watch", "the command");
}

ExitStatus supervise(pid_t command, const ChildSignals& signals, Channel& channel, CallHandler& handler) {
    std::optional<CallListener> listener;
    std::array<pollfd, 3> events{pollfd{signals.fd(), POLLIN, 0}, pollfd{channel.fd(), POLLIN, 0},
                                 pollfd{-1, POLLIN, 0}};
    for (;;) {
        if (::poll(events.data(), events.size(), -1) < 0) {
            if (errno != EINTR) throw_errno("wait for", "the command");
            continue;
        }
        if (events[1].revents != 0) {
            events[1].fd = -1;
            auto message = channel.receive();
            if (message && message->fds.size() == 1) {
                listener.emplace(std::move(message->fds[0]));
                events[2].fd = listener->fd();
            }
        }
        if ((events[2].revents & POLLIN) != 0)
            answer_next(*listener, handler);
        else if ((events[2].revents & (POLLHUP | POLLERR)) != 0)
            events[2].fd = -1;  // nobody is left who could call
        if (events[0].revents == 0) continue;
        drain_signals(signals.fd());
        if (const auto status = reap_and_look_for(command)) return *status;
    }
}

}  // namespace imgbuild::builder
