// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/helper.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/memfd.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "builder/sandbox/id_maps.h"
#include "builder/sandbox/requests.h"
#include "builder/sandbox/sandbox.h"
#include "builder/sandbox/wire_spec.h"

namespace imgbuild::builder {
namespace {

constexpr std::string_view helper_argument = "--sandbox-helper";
constexpr int control_number = 3;
constexpr int image_number = 100;  // out of the way of the numbers that are given to the child
constexpr unsigned farewell_seconds = 3;

// Messages on the control connection.
constexpr std::string_view be_root = "root";
constexpr std::string_view be_mapped_root = "userns";
constexpr std::string_view be_only_id = "single";
constexpr std::string_view maps_given = "mapped";
constexpr std::string_view request = "request";

Fd sealed_copy_of_self() {
    constexpr unsigned executable = 0x10;  // MFD_EXEC: asked for since 6.3, unknown before
    int made = ::memfd_create("imgbuild", MFD_CLOEXEC | MFD_ALLOW_SEALING | executable);
    if (made < 0 && errno == EINVAL) made = ::memfd_create("imgbuild", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    Fd copy(made);
    Fd self(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    if (!copy || !self) throw_errno("copy", "our own program");
    struct stat status {};
    if (::fstat(self.get(), &status) < 0) throw_errno("copy", "our own program");
    for (off_t left = status.st_size; left > 0;) {
        ssize_t count = ::sendfile(copy.get(), self.get(), nullptr, static_cast<std::size_t>(left));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) throw_errno("copy", "our own program");
        left -= count;
    }
    if (::fcntl(copy.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        throw_errno("seal", "the copy of our own program");
    Fd placed(::fcntl(copy.get(), F_DUPFD_CLOEXEC, image_number));
    if (!placed) throw_errno("copy", "our own program");
    return placed;
}

Process start_helper(const Channel& theirs) {
    // Once: the copy costs more than all else that a helper takes, and the rungs are probed by helpers, too.
    static const Fd image = sealed_copy_of_self();
    ProcessOptions options;
    options.arguments = {"/proc/self/fd/" + std::to_string(image.get()), std::string(helper_argument)};
    options.environment.emplace();  // nothing of ours can reach a build through it
    options.working_directory = "/";
    options.descriptors = {{theirs.fd(), control_number}};
    return Process::start(options);
}

// From here on: the helper's side.

void make_quiet() {
    Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (int number : {0, 1, 2})
        if (null) ::dup2(null.get(), number);
    ::setsid();  // a ctrl-C on the terminal is for the main process
    ::umask(022);
    ::prctl(PR_SET_NAME, "imgbuild-helper", 0, 0, 0);
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
}

void become_root_of_namespace(Channel& control) {
    if (::unshare(CLONE_NEWUSER) < 0) throw_errno("make", "a user namespace");
    control.send("");
    auto message = control.receive();
    if (!message || message->payload != maps_given) ::_exit(1);
    if (::setgroups(0, nullptr) < 0) throw_errno("drop", "supplementary groups");
    if (::setresgid(0, 0, 0) < 0) throw_errno("become", "the root group of the namespace");
    if (::setresuid(0, 0, 0) < 0) throw_errno("become", "root of the namespace");
}

void prepare(Channel& control) {
    auto message = control.receive();
    if (!message) ::_exit(1);
    if (message->payload == be_mapped_root) become_root_of_namespace(control);
    if (message->payload == be_only_id) become_only_id_of_namespace();
    // After the maps were given: newuidmap must see that this process is its caller's.
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    control.send("");
}

// What a child says to the helper when it is done with the control connection.
constexpr char took_a_request = 't';
constexpr char saw_the_end = 'e';

[[noreturn]] void serve_next(Channel& control, Fd word, pid_t helper) {
    ::signal(SIGCHLD, SIG_DFL);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != helper) ::_exit(1);
    auto message = control.receive();
    control.shut();
    const char& said = message ? took_a_request : saw_the_end;
    ssize_t written = 0;
    do written = ::write(word.get(), &said, 1);
    while (written < 0 && errno == EINTR);
    if (written != 1) ::_exit(1);
    word.reset();
    if (!message || message->fds.size() != 1) ::_exit(0);
    Channel channel(std::move(message->fds[0]));
    serve_request(channel);
    ::_exit(0);
}

// How it went with a child that was to take the next request.
enum class Served { a_request, nothing, the_end };

// Starts the child that takes the next request and waits until it has. The child stands ready before a request
// comes, so that no request waits for a fork.
Served serve_one_more(Channel& control) {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw_errno("make", "a pipe");
    Fd ours(ends[0]);
    Fd theirs(ends[1]);
    pid_t self = ::getpid();
    pid_t child = ::fork();
    if (child == 0) {
        ours.reset();
        serve_next(control, std::move(theirs), self);
    }
    if (child < 0) return Served::nothing;
    theirs.reset();
    char word = 0;
    while (::read(ours.get(), &word, 1) < 0 && errno == EINTR) {
    }
    if (word == 0) return Served::nothing;
    return word == saw_the_end ? Served::the_end : Served::a_request;
}

// Takes a request and lets it go: its connection closes, which the main process sees.
Served refuse_one(Channel& control) { return control.receive() ? Served::a_request : Served::the_end; }

[[noreturn]] void serve_until_end(Channel& control) {
    ::signal(SIGCHLD, SIG_IGN);  // the kernel reaps
    for (Served last = Served::a_request; last != Served::the_end;) {
        Served now = serve_one_more(control);
        // A child that was killed while it waited is replaced. Where none can be had, each request costs one
        // attempt: trying again at once would only keep a processor busy.
        last = now == Served::nothing && last == Served::nothing ? refuse_one(control) : now;
    }
    // The main process is gone; so are its ends of all connections, and the children end by themselves. One that
    // does not is killed when we end (PR_SET_PDEATHSIG).
    ::signal(SIGALRM, SIG_DFL);
    ::alarm(farewell_seconds);
    while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
    }
    ::_exit(0);
}

}  // namespace

Helper::Helper(const Rung& rung) : control_(Fd()) {
    auto [ours, theirs] = Channel::make_pair();
    process_.emplace(start_helper(theirs));
    control_ = std::move(ours);
    theirs.shut();
    if (rung.mode == RootMode::userns)
        enter_user_namespace(rung);
    else
        control_.send(rung.mode == RootMode::single ? be_only_id : be_root);
    expect_ready();
}

void Helper::enter_user_namespace(const Rung& rung) {
    control_.send(be_mapped_root);
    expect_ready();
    give_maps(process_->pid(), rung);
    control_.send(maps_given);
}

void Helper::expect_ready() {
    auto message = control_.receive();
    if (!message) throw Error(ErrorKind::internal, "start the sandbox helper: it ended at once");
    if (message->payload.empty()) return;
    WireReader in(message->payload, "the helper's word");
    throw decode_error(in);
}

Helper::~Helper() {
    control_.shut();
    try {
        process_->wait();
    } catch (const Error&) {
        // Somebody else reaped it.
    }
}

Channel Helper::connect() {
    auto [ours, theirs] = Channel::make_pair();
    int number = theirs.fd();
    std::lock_guard guard(mutex_);
    control_.send(request, std::span(&number, 1));
    return std::move(ours);
}

void serve_if_helper(int argument_count, char** arguments) {
    if (argument_count != 2 || helper_argument != arguments[1]) return;
    struct stat status {};
    // Somebody who typed the argument has no connection there.
    if (::fstat(control_number, &status) < 0 || !S_ISSOCK(status.st_mode)) ::_exit(2);
    ::fcntl(control_number, F_SETFD, FD_CLOEXEC);
    Channel control{Fd(control_number)};
    try {
        make_quiet();
        prepare(control);
        serve_until_end(control);
    } catch (const Error& error) {
        try {
            WireWriter out;
            encode_error(out, error);
            control.send(out.bytes());
        } catch (const Error&) {
            // Nobody is left to tell.
        }
    }
    ::_exit(1);
}

}  // namespace imgbuild::builder
