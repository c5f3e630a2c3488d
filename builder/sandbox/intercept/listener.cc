// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/intercept/listener.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>

#include "base/error.h"
#include "builder/sandbox/channel.h"
#include "builder/sandbox/intercept/task.h"

namespace imgbuild::builder {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t watched_arch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t watched_arch = AUDIT_ARCH_AARCH64;
#endif

// Newer than the headers that this is built with.
constexpr unsigned wait_killable = 1U << 5;         // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, since 5.19
constexpr unsigned long set_flags = 0x40082104;     // SECCOMP_IOCTL_NOTIF_SET_FLAGS, since 6.6
constexpr std::uint64_t wake_up_synchronously = 1;  // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP

using Steps = std::vector<sock_filter>;

// What decides about one call; falls through to the next where it is another one.
void add_call(Steps& steps, const WatchedCall& call) {
    constexpr std::uint32_t first_argument = offsetof(seccomp_data, args);
    const auto number = static_cast<std::uint32_t>(call.number);
    if (call.when == WatchedCall::When::always) {
        steps.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
        steps.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
        return;
    }
    const bool on_match = call.when != WatchedCall::When::none_set;
    const std::uint16_t test = call.when == WatchedCall::When::equal ? BPF_JEQ : BPF_JSET;
    steps.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4));
    steps.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, first_argument + 8 * call.argument));
    steps.push_back(sock_filter{static_cast<std::uint16_t>(BPF_JMP | test | BPF_K),
                                static_cast<std::uint8_t>(on_match ? 0 : 1),
                                static_cast<std::uint8_t>(on_match ? 1 : 0), call.bits});
    steps.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
    steps.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

Steps steps_for(std::span<const WatchedCall> calls) {
    Steps steps{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, watched_arch, 1, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    for (const WatchedCall& call : calls) add_call(steps, call);
    steps.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    return steps;
}

// The child of can_intercept(): asks for a file that nobody has and says by its status whether it was answered.
[[noreturn]] void ask_for_nothing(Channel& channel) {
    try {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // as a program that was executed is
        const std::array calls{WatchedCall{SYS_faccessat}};
        const Fd listener = listen_to_calls(calls);
        const int number = listener.get();
        channel.send("", std::span(&number, 1));
        ::_exit(::syscall(SYS_faccessat, AT_FDCWD, "/no/such/file", F_OK) == 7 ? 0 : 1);
    } catch (const Error&) {
        ::_exit(1);
    }
}

bool answer_with_seven(Channel& channel) {
    constexpr int patience_milliseconds = 2000;
    const auto message = channel.receive();
    if (!message || message->fds.size() != 1) return false;
    CallListener listener(message->fds[0].duplicate());
    pollfd ready{listener.fd(), POLLIN, 0};
    if (::poll(&ready, 1, patience_milliseconds) != 1) return false;
    const auto call = listener.receive();
    if (!call) return false;
    const auto path = Task(call->task).read_string(call->argument(1));
    listener.answer(*call, path == "/no/such/file" ? CallAnswer::value(7) : CallAnswer::fail(EPERM));
    return true;
}

}  // namespace

Fd listen_to_calls(std::span<const WatchedCall> calls) {
    Steps steps = steps_for(calls);
    sock_fprog program{static_cast<unsigned short>(steps.size()), steps.data()};
    for (const unsigned extra : {wait_killable, 0U}) {
        const unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | extra;
        const long made = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
        if (made >= 0) return Fd(static_cast<int>(made));
        if (errno != EINVAL) break;
    }
    throw_errno("intercept", "system calls");
}

bool can_intercept() {
    try {
        auto [ours, theirs] = Channel::make_pair();
        const pid_t child = ::fork();
        if (child < 0) return false;
        if (child == 0) {
            ours.shut();
            ask_for_nothing(theirs);
        }
        theirs.shut();
        bool answered = false;
        try {
            answered = answer_with_seven(ours);
        } catch (const Error&) {
            // Then it cannot be done.
        }
        if (!answered) ::kill(child, SIGKILL);
        int status = 1;
        while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
        return answered && status == 0;
    } catch (const Error&) {
        return false;
    }
}

CallAnswer CallAnswer::of_result(std::int64_t result) { return result < 0 ? fail(errno) : value(result); }

CallAnswer CallAnswer::give(Fd file, bool close_on_exec) {
    CallAnswer answer(Kind::file);
    answer.file_ = std::move(file);
    answer.close_on_exec_ = close_on_exec;
    return answer;
}

CallListener::CallListener(Fd listener) : listener_(std::move(listener)) {
    seccomp_notif_sizes sizes{};
    if (::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0) throw_errno("intercept", "system calls");
    auto words = [](std::size_t bytes) { return (bytes + 7) / 8; };
    notification_.resize(words(std::max<std::size_t>(sizes.seccomp_notif, sizeof(seccomp_notif))));
    response_.resize(words(std::max<std::size_t>(sizes.seccomp_notif_resp, sizeof(seccomp_notif_resp))));
    ::ioctl(listener_.get(), set_flags, wake_up_synchronously);  // faster, where there is such a thing
}

std::optional<WaitingCall> CallListener::receive() {
    std::ranges::fill(notification_, 0);
    if (::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, notification_.data()) < 0) {
        if (errno == ENOENT || errno == EINTR) return std::nullopt;
        throw_errno("receive", "a system call");
    }
    seccomp_notif notification{};
    std::memcpy(&notification, notification_.data(), sizeof notification);
    return WaitingCall{notification.id, static_cast<pid_t>(notification.pid), notification.data};
}

bool CallListener::is_waiting(const WaitingCall& call) const noexcept {
    std::uint64_t id = call.id;
    return ::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

void CallListener::answer(const WaitingCall& call, CallAnswer answer) {
    seccomp_notif_resp response{};
    response.id = call.id;
    switch (answer.kind_) {
        case CallAnswer::Kind::proceed: response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE; break;
        case CallAnswer::Kind::value: response.val = answer.value_; break;
        case CallAnswer::Kind::error: response.error = -static_cast<int>(answer.value_); break;
        case CallAnswer::Kind::file: {
            seccomp_notif_addfd added{};
            added.id = call.id;
            added.srcfd = static_cast<std::uint32_t>(answer.file_.get());
            added.newfd_flags = answer.close_on_exec_ ? O_CLOEXEC : 0;
            const int number = ::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_ADDFD, &added);
            if (number < 0) response.error = errno == EMFILE ? -EMFILE : -EIO;
            response.val = std::max(number, 0);
            break;
        }
    }
    std::ranges::fill(response_, 0);
    std::memcpy(response_.data(), &response, sizeof response);
    // A task that was killed waits for no answer.
    if (::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, response_.data()) < 0 && errno != ENOENT &&
        errno != EINPROGRESS)
        throw_errno("answer", "a system call");
}

}  // namespace imgbuild::builder
