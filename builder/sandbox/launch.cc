// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/launch.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>
#include <set>

#include "base/error.h"
#include "builder/sandbox/channel.h"
#include "builder/sandbox/command.h"
#include "builder/sandbox/confine.h"
#include "builder/sandbox/init_process.h"
#include "builder/sandbox/leftovers.h"
#include "builder/sandbox/network/step_interface.h"
#include "builder/sandbox/single/owner_answers.h"

namespace imgbuild::builder {
namespace {

void send_stubs(Channel& channel, const std::vector<MountStub>& stubs) {
    WireWriter out;
    out.byte(static_cast<std::uint8_t>(Report::ready)).varint(stubs.size());
    for (const MountStub& stub : stubs)
        out.text(stub.path.bytes()).varint(stub.device).varint(stub.inode).byte(stub.is_directory).text(stub.content);
    channel.send(out.bytes());
}

std::vector<MountStub> read_stubs(WireReader& in) {
    std::vector<MountStub> stubs;
    for (std::size_t count = in.count(1); count > 0; --count) {
        MountStub& stub = stubs.emplace_back();
        stub.path = ImagePath::clean(in.text());
        stub.device = in.varint();
        stub.inode = in.varint();
        stub.is_directory = in.byte() != 0;
        stub.content = in.text();
    }
    return stubs;
}

// While the devices of the host are still there.
void prepare_network(const RunSpec& spec, Channel& channel) {
    if (spec.network == NetworkMode::none) bring_loopback_up();
    if (spec.network == NetworkMode::own) report_network(channel, make_step_interface(spec.uplink.has_ipv6));
}

void prepare_host_side(const RunSpec& spec) {
    ::umask(0);
    // Nobody inside may trace this process or read its memory and descriptors.
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    ::prctl(PR_SET_NAME, "imgbuild-init", 0, 0, 0);
    if (::sethostname(spec.hostname.data(), spec.hostname.size()) < 0) throw_errno("set", "the host name");
    // A new, empty session keyring; a kernel or an outer container without keyrings has none to leak.
    ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
}

// The init: waits for the command, reaps everything else, and says how the command ended.
ExitStatus reap_until(pid_t command) {
    for (;;) {
        int status = 0;
        pid_t pid = ::waitpid(-1, &status, 0);
        if (pid < 0 && errno != EINTR) throw_errno("wait for", "the command");
        if (pid != command) continue;
        return exit_status_of(status);
    }
}

struct CommandStart {
    const RunSpec& spec;
    CommandDescriptors descriptors;
    Channel& channel;
};

int command_main(void* argument) {
    auto& start = *static_cast<CommandStart*>(argument);
    become_command(start.spec, start.descriptors, {}, [&](const Error& error) { report_error(start.channel, error); });
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// A sanitizer knows the stacks of threads only: an Error thrown on another one ends the process.
pid_t start_command(CommandStart& start) {
    pid_t pid = ::fork();
    if (pid == 0) ::_exit(command_main(&start));
    if (pid < 0) throw_errno("start", "the command");
    return pid;
}
#else
// As posix_spawn does it: the child uses our memory, on a stack of its own, and we go on when it has executed. A
// fork would copy page tables that are thrown away at once.
pid_t start_command(CommandStart& start) {
    constexpr std::size_t stack_bytes = 256 * 1024;
    auto stack = std::make_unique_for_overwrite<std::byte[]>(stack_bytes);
    pid_t pid = ::clone(command_main, stack.get() + stack_bytes, CLONE_VM | CLONE_VFORK | SIGCHLD, &start);
    if (pid < 0) throw_errno("start", "the command");
    return pid;
}
#endif

// What is named of the null device is the sandbox's own.
CommandDescriptors descriptors_of(const RunStreams& streams, int null, int working_directory) {
    const auto or_null = [null](int fd) { return fd < 0 ? null : fd; };
    return {or_null(streams.input), or_null(streams.output), or_null(streams.error), working_directory};
}

// Its name is one of the sandbox's own /dev.
Fd give_terminal(const Launch& what, const Directory& root, CommandDescriptors& descriptors, Channel& channel) {
    Fd multiplexer = root.open(ImagePath::clean("/dev/pts/ptmx"), O_RDWR | O_NOCTTY, FollowLinks::never);
    TerminalPair terminal = open_terminal(std::move(multiplexer), *what.spec.terminal, what.spec.credentials);
    descriptors.input = descriptors.output = descriptors.error = terminal.commands.get();
    report_terminal(channel, terminal.ours);
    return std::move(terminal.commands);
}

// Joined from outside, so that the sandbox's view of control groups begins at its own.
void enter_cgroup(const Cgroup& cgroup) {
    if (cgroup.is_empty()) return;
    cgroup.join();
    if (::unshare(CLONE_NEWCGROUP) < 0) throw_errno("make", "a namespace of control groups");
}

// All descriptors but the standard streams and `kept`.
void close_others(const std::set<int>& kept) {
    int next = 3;
    for (const int number : kept) {
        if (number > next) ::close_range(static_cast<unsigned>(next), static_cast<unsigned>(number) - 1, 0);
        next = std::max(next, number + 1);
    }
    ::close_range(static_cast<unsigned>(next), ~0U, 0);
}

// Where no namespace ends with this process, what the command left is looked for.
void end_all(const RunSpec& spec) {
    if (!spec.own_processes) kill_descendants(Directory::open_host("/proc"));
}

// Where there is one id only: this process stays, and answers for all others.
[[noreturn]] void run_answered_command(const Launch& what, const CommandDescriptors& descriptors, Channel& channel) {
    const std::set<int> given{descriptors.input, descriptors.output, descriptors.error, descriptors.working_directory};
    std::set<int> kept = given;
    kept.insert(channel.fd());
    close_others(kept);
    CredentialTable::require_room();
    if (!what.spec.own_processes) adopt_orphans();
    OwnerAnswers answers(what.spec.credentials, what.spec.security);
    const ChildSignals signals;
    auto [ours, theirs] = Channel::make_pair();
    const pid_t command = ::fork();
    if (command < 0) throw_errno("start", "the command");
    if (command == 0) {
        Confinement confinement{.identity = Identity::answered};
        confinement.hand_over_calls = [&] {
            // As a program that was executed is: or its path could not be read from its memory.
            ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
            hand_over_calls(answers.calls(), theirs);
        };
        become_command(what.spec, descriptors, confinement, [&](const Error& error) { report_error(channel, error); });
    }
    theirs.shut();
    for (const int number : given) const Fd closed(number);
    keep_answering_capabilities();
    const ExitStatus status = supervise(command, signals, ours, answers);
    end_all(what.spec);
    report_status(channel, status);
    ::_exit(0);
}

void run_init(const Launch& what, Channel& channel) {
    enter_cgroup(what.cgroup);
    prepare_host_side(what.spec);
    prepare_network(what.spec, channel);
    MountExecutor executor(what.folders);
    executor.carry_out(what.plan);
    Fd working_directory =
        executor.targets().open_or_make_directory(what.spec.working_directory, what.spec.credentials);
    Fd null = executor.targets().root().open(ImagePath::clean("/dev/null"), O_RDWR, FollowLinks::never);
    executor.enter_root();
    send_stubs(channel, executor.targets().stubs());
    CommandStart start{what.spec, descriptors_of(what.streams, null.get(), working_directory.get()), channel};
    Fd terminal;
    if (what.spec.terminal) terminal = give_terminal(what, executor.targets().root(), start.descriptors, channel);
    if (what.folders.spelling == layerstore::OverlaySpelling::single)
        run_answered_command(what, start.descriptors, channel);
    if (!what.spec.own_processes) adopt_orphans();
    pid_t command = start_command(start);
    if (what.spec.own_processes)
        drop_all_capabilities();
    else
        keep_killing_capability();
    // Nothing of the host stays open in the one process that outlives the set-up.
    Fd report(::fcntl(channel.fd(), F_DUPFD_CLOEXEC, 3));
    int kept = ::dup3(report.get(), 3, O_CLOEXEC) == 3 ? 3 : report.get();
    ::close_range(static_cast<unsigned>(kept) + 1, ~0U, 0);
    Channel quiet{Fd(kept)};
    const ExitStatus status = reap_until(command);
    end_all(what.spec);
    report_status(quiet, status);
    ::_exit(0);
}

[[noreturn]] void init_main(const Launch& what, Channel& channel) {
    die_with_parent(channel);
    try {
        run_init(what, channel);
    } catch (const Error& error) {
        report_error(channel, error);
    }
    ::_exit(1);
}

pid_t clone_init(const Launch& what) {
    unsigned long flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD;
    if (what.spec.own_processes) flags |= CLONE_NEWPID;
    if (what.cgroup.is_empty()) flags |= CLONE_NEWCGROUP;
    if (has_own_network(what.spec.network)) flags |= CLONE_NEWNET;
    long pid = ::syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr);
    if (pid >= 0) return static_cast<pid_t>(pid);
    if (errno == ENOSPC)
        throw Error(ErrorKind::unsupported, "make the sandbox's namespaces: the kernel's limit is reached",
                    "raise the limits below /proc/sys/user (max_mnt_namespaces and its siblings)");
    throw_errno("make", "the sandbox's namespaces");
}

}  // namespace

LaunchOutcome launch(const Launch& what) {
    std::optional<Adoption> adoption;  // whatever happens to the init
    if (!what.spec.own_processes) adoption.emplace();
    auto [ours, theirs] = Channel::make_pair();
    pid_t pid = clone_init(what);
    if (pid == 0) {
        ours.shut();
        init_main(what, theirs);
    }
    InitProcess init(pid);
    theirs.shut();
    LaunchOutcome outcome;
    const int log = what.streams.error;
    outcome.end = init.follow(ours, {.cgroup = what.cgroup,
                                     .watched = what.watched,
                                     .timeout_milliseconds = what.spec.timeout_milliseconds,
                                     .when_ready = [&](WireReader& in) { outcome.stubs = read_stubs(in); },
                                     .when_terminal = what.streams.when_terminal,
                                     .make_relay =
                                         [&](Fd frames) {
                                             return std::make_unique<FrameRelay>(
                                                 std::move(frames), what.spec.uplink,
                                                 what.folders.layers + "/" + what.folders.work_name, log);
                                         }});
    return outcome;
}

}  // namespace imgbuild::builder
