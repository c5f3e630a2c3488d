// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/plain/plain_launch.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <optional>

#include "base/error.h"
#include "builder/sandbox/command.h"
#include "builder/sandbox/init_process.h"
#include "builder/sandbox/intercept/supervisor.h"
#include "builder/sandbox/leftovers.h"

namespace imgbuild::builder {
namespace {

// The process that becomes the command.
[[noreturn]] void plain_command_main(const PlainLaunch& what, const CommandDescriptors& descriptors, Channel& reports,
                                     Channel& calls, const CallHandler* handler) {
    Confinement confinement{.root = what.root.fd()};
    if (handler) confinement.hand_over_calls = [&] { hand_over_calls(handler->calls(), calls); };
    become_command(what.spec, descriptors, confinement, [&](const Error& error) { report_error(reports, error); });
}

// A terminal of the host's: its name leads nowhere in the root, its descriptors do.
Fd give_plain_terminal(const PlainLaunch& what, CommandDescriptors& descriptors, Channel& reports) {
    Fd multiplexer(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!multiplexer) throw_errno("open", "/dev/ptmx");
    TerminalPair terminal = open_terminal(std::move(multiplexer), *what.spec.terminal, what.spec.credentials);
    descriptors.input = descriptors.output = descriptors.error = terminal.commands.get();
    report_terminal(reports, terminal.ours);
    return std::move(terminal.commands);
}

// Runs the command, its calls answered where that works, and kills what it leaves.
ExitStatus run_plain_command(const PlainLaunch& what, Channel& reports) {
    adopt_orphans();
    const Directory proc = Directory::open_host("/proc");
    const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null) throw_errno("open", "/dev/null");
    const auto or_null = [&](int fd) { return fd < 0 ? null.get() : fd; };
    CommandDescriptors descriptors{or_null(what.streams.input), or_null(what.streams.output),
                                   or_null(what.streams.error), what.working_directory};
    Fd terminal;  // made before who answers calls goes below the root
    if (what.spec.terminal) terminal = give_plain_terminal(what, descriptors, reports);
    std::optional<ProcAnswers> answers;
    const bool is_confined = what.spec.security == SecurityMode::sandbox;
    if (is_confined && can_intercept())
        answers.emplace(ProcAnswers::Inputs{what.stand_ins, what.spec.hostname, what.linked}, what.root.fd());
    if (!answers && !what.spec.secrets.empty())
        throw Error(ErrorKind::unsupported, "a secret cannot be shown here without writing it to the disk",
                    "give it by --mount=type=secret,env=NAME");
    const ChildSignals signals;
    auto [ours, theirs] = Channel::make_pair();
    const pid_t command = ::fork();
    if (command < 0) throw_errno("start", "the command");
    if (command == 0) {
        ours.shut();
        die_with_parent(ours);
        plain_command_main(what, descriptors, reports, theirs, answers ? &*answers : nullptr);
    }
    theirs.shut();
    terminal.reset();  // or who has its other end would not see the command's end
    struct Nothing final : CallHandler {
        std::span<const WatchedCall> calls() const override { return {}; }
        CallAnswer answer(const WaitingCall&, const CallListener&) override { return CallAnswer::proceed(); }
    } nothing;
    const ExitStatus status =
        supervise(command, signals, ours, answers ? static_cast<CallHandler&>(*answers) : nothing);
    kill_descendants(proc);
    return status;
}

[[noreturn]] void plain_init_main(const PlainLaunch& what, Channel& channel) {
    die_with_parent(channel);
    try {
        ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        ::prctl(PR_SET_NAME, "imgbuild-init", 0, 0, 0);
        what.cgroup.join();
        report_status(channel, run_plain_command(what, channel));
        ::_exit(0);
    } catch (const Error& error) {
        report_error(channel, error);
    }
    ::_exit(1);
}

}  // namespace

RunEnd launch_plain(const PlainLaunch& what) {
    const Adoption adoption;  // whatever happens to the init
    auto [ours, theirs] = Channel::make_pair();
    const pid_t pid = ::fork();
    if (pid < 0) throw_errno("start", "the sandbox");
    if (pid == 0) {
        ours.shut();
        plain_init_main(what, theirs);
    }
    InitProcess init(pid);
    theirs.shut();
    return init.follow(ours, {.cgroup = what.cgroup,
                              .watched = what.watched,
                              .timeout_milliseconds = what.spec.timeout_milliseconds,
                              .when_ready = {},
                              .when_terminal = what.streams.when_terminal});
}

}  // namespace imgbuild::builder
