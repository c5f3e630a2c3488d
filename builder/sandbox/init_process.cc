// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/init_process.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "builder/sandbox/wire_spec.h"

namespace imgbuild::builder {
namespace {

void wait_for_report(const Channel& channel, int watched) {
    std::array<pollfd, 2> events{pollfd{channel.fd(), POLLIN, 0}, pollfd{watched, POLLIN | POLLRDHUP, 0}};
    while (::poll(events.data(), events.size(), -1) < 0)
        if (errno != EINTR) throw_errno("wait for", "the sandbox");
    if (events[0].revents == 0) throw Error(ErrorKind::interrupted, "run: stopped");
}

}  // namespace

InitProcess::~InitProcess() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    wait();
}

void InitProcess::wait() {
    if (pid_ <= 0) return;
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
}

ExitStatus InitProcess::follow(Channel& channel, int watched, const std::function<void(WireReader&)>& when_ready) {
    // Until it says something else: the init itself was killed, by a kernel out of memory, and so was the command.
    ExitStatus status{128 + SIGKILL, SIGKILL};
    for (;;) {
        wait_for_report(channel, watched);
        auto message = channel.receive();
        if (!message) break;
        WireReader in(message->payload, "the sandbox's report");
        switch (static_cast<Report>(in.byte())) {
            case Report::ready: when_ready(in); break;
            case Report::status: status = decode_status(in); break;
            case Report::error: throw decode_error(in);
        }
    }
    wait();
    return status;
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

ExitStatus exit_status_of(int wait_status) noexcept {
    if (WIFSIGNALED(wait_status)) return {128 + WTERMSIG(wait_status), WTERMSIG(wait_status)};
    return {WEXITSTATUS(wait_status), 0};
}

}  // namespace imgbuild::builder
