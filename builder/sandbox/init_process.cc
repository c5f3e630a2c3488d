// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/init_process.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <limits>
#include <optional>

#include "builder/sandbox/wire_spec.h"

namespace imgbuild::builder {
namespace {

using Clock = std::chrono::steady_clock;

// Milliseconds until `end`, for poll(2).
int left_until(std::optional<Clock::time_point> end) {
    if (!end) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*end - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::numeric_limits<int>::max()));
}

void report_file(Channel& channel, Report kind, const Fd& file) {
    WireWriter out;
    const int number = file.get();
    channel.send(out.byte(static_cast<std::uint8_t>(kind)).bytes(), std::span(&number, 1));
}

// False when the time is up. Frames are carried meanwhile.
bool wait_for_report(const Channel& channel, int watched, std::optional<Clock::time_point> end, FrameRelay* relay) {
    for (;;) {
        FrameRelay::Events frames{pollfd{-1, 0, 0}, pollfd{-1, 0, 0}};
        if (relay) frames = relay->events();
        std::array<pollfd, 4> events{pollfd{channel.fd(), POLLIN, 0}, pollfd{watched, POLLIN | POLLRDHUP, 0}, frames[0],
                                     frames[1]};
        const int ready = ::poll(events.data(), events.size(), left_until(end));
        if (ready < 0 && errno != EINTR) throw_errno("wait for", "the sandbox");
        if (ready > 0 && events[0].revents != 0) return true;
        if (ready > 0 && events[1].revents != 0) throw Error(ErrorKind::interrupted, "run: stopped");
        if (left_until(end) == 0) return false;
        if (ready > 0) relay->serve({events[2], events[3]});
    }
}

}  // namespace

InitProcess::~InitProcess() {
    kill();
    wait();
}

void InitProcess::kill() noexcept {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
}

void InitProcess::wait() {
    if (pid_ <= 0) return;
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
}

void InitProcess::follow_reports(Channel& channel, const InitWatch& watch, RunEnd& end) {
    std::optional<Clock::time_point> limit;
    if (watch.timeout_milliseconds != 0) limit = Clock::now() + std::chrono::milliseconds(watch.timeout_milliseconds);
    do {
        if (wait_for_report(channel, watch.watched, limit, relay_.get())) continue;
        kill();
        end.cause = EndCause::timed_out;
        return;
    } while (follow_report(channel, watch, end));
}

// False when there are no more.
bool InitProcess::follow_report(Channel& channel, const InitWatch& watch, RunEnd& end) {
    auto message = channel.receive();
    if (!message) return false;
    WireReader in(message->payload, "the sandbox's report");
    switch (static_cast<Report>(in.byte())) {
        case Report::ready:
            if (watch.when_ready) watch.when_ready(in);
            break;
        case Report::terminal:
            if (watch.when_terminal) watch.when_terminal(std::move(message->fds.at(0)));
            break;
        case Report::network:
            if (watch.make_relay) relay_ = watch.make_relay(std::move(message->fds.at(0)));
            break;
        case Report::status: end.status = decode_status(in); break;
        case Report::error: throw decode_error(in);
    }
    return true;
}

RunEnd InitProcess::follow(Channel& channel, const InitWatch& watch) {
    // The init builds the sandbox meanwhile.
    const std::uint64_t killed_before = killed_for_memory_here();
    // Until it says something else: the init itself was killed, by a kernel out of memory, and so was the command.
    RunEnd end{.status = {128 + SIGKILL, SIGKILL}};
    follow_reports(channel, watch, end);
    wait();
    end.not_enforced = watch.cgroup.not_enforced();
    if (end.cause != EndCause::itself) return end;
    // The machine's count says who was killed only together with how this command ended.
    const bool was_killed = end.status.code == 128 + SIGKILL;
    if (watch.cgroup.killed_for_memory() > 0 || (was_killed && killed_for_memory_here() > killed_before))
        end.cause = EndCause::out_of_memory;
    return end;
}

void die_with_parent(const Channel& channel) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    pollfd parent{channel.fd(), 0, 0};
    if (::poll(&parent, 1, 0) > 0 && (parent.revents & POLLHUP) != 0) ::_exit(1);
}

void report_error(Channel& channel, const Error& error) noexcept {
    try {
        WireWriter out;
        encode_error(out.byte(static_cast<std::uint8_t>(Report::error)), error);
        channel.send(out.bytes());
    } catch (const Error&) {
        // Nobody is left to tell.
    }
}

void report_status(Channel& channel, const ExitStatus& status) {
    WireWriter out;
    encode_status(out.byte(static_cast<std::uint8_t>(Report::status)), status);
    channel.send(out.bytes());
}

void report_terminal(Channel& channel, const Fd& other_end) { report_file(channel, Report::terminal, other_end); }
void report_network(Channel& channel, const Fd& frames) { report_file(channel, Report::network, frames); }

ExitStatus exit_status_of(int wait_status) noexcept {
    if (WIFSIGNALED(wait_status)) return {128 + WTERMSIG(wait_status), WTERMSIG(wait_status)};
    return {WEXITSTATUS(wait_status), 0};
}

}  // namespace imgbuild::builder
