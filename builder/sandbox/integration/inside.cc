// SPDX-License-Identifier: Apache-2.0
// A program that the integration tests put into their image, for what busybox has no applet for. Static, so that
// it runs in an image with nothing else in it.
//
//   inside refused              what each refused system call answers, one "name errno" a line
//   inside identity             real and effective user, and the same for the group
//   inside set PATH NAME HEX    sets an extended attribute
//   inside get PATH NAME        prints one as hex digits
//   inside daemon FILE MARK     leaves its parent, ignores what it may, and writes to FILE until it is killed
//   inside connect NAME         connects to an abstract socket of that name; prints the errno
//   inside listen PATH          leaves a listening socket at PATH
//   inside talk PATH            connects to the socket at PATH; prints what it says
//   inside open PATH            opens for reading; prints the errno
//   inside list PATH            prints the names of its extended attributes
//   inside as UID GID PROGRAM…  becomes another user without supplementary groups, and executes the program
//   inside ids                  real, effective and saved user, and the same for the group
//   inside limit-of-locks       the soft and the hard limit of file locks

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

namespace {

struct Attempt {
    const char* name;
    std::function<long()> call;
};

int try_refused() {
    const std::array attempts{
        Attempt{"unshare", [] { return ::syscall(SYS_unshare, CLONE_NEWUSER); }},
        Attempt{"clone",
                [] { return ::syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, nullptr, nullptr, nullptr, nullptr); }},
        Attempt{"clone3", [] { return ::syscall(SYS_clone3, nullptr, 0); }},
        Attempt{"setns", [] { return ::syscall(SYS_setns, 0, 0); }},
        Attempt{"mount", [] { return ::syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, nullptr); }},
        Attempt{"fsopen", [] { return ::syscall(SYS_fsopen, "tmpfs", 0); }},
        Attempt{"keyctl", [] { return ::syscall(SYS_keyctl, 0, -3, 0); }},
        Attempt{"add_key", [] { return ::syscall(SYS_add_key, "user", "a", "b", 1, -3); }},
        Attempt{"bpf", [] { return ::syscall(SYS_bpf, 0, nullptr, 0); }},
        Attempt{"perf_event_open", [] { return ::syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0); }},
        Attempt{"userfaultfd", [] { return ::syscall(SYS_userfaultfd, 0); }},
        Attempt{"io_uring_setup", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }},
        Attempt{"open_by_handle_at", [] { return ::syscall(SYS_open_by_handle_at, 0, nullptr, 0); }},
        Attempt{"init_module", [] { return ::syscall(SYS_init_module, nullptr, 0, ""); }},
        Attempt{"kexec_load", [] { return ::syscall(SYS_kexec_load, 0, 0, nullptr, 0); }},
        Attempt{"settimeofday", [] { return ::syscall(SYS_settimeofday, nullptr, nullptr); }},
        Attempt{"af_alg", [] { return ::syscall(SYS_socket, 38, SOCK_SEQPACKET, 0); }},
        Attempt{"af_vsock", [] { return ::syscall(SYS_socket, 40, SOCK_STREAM, 0); }},
        Attempt{"tiocsti", [] { return ::syscall(SYS_ioctl, 0, TIOCSTI, "x"); }},
        Attempt{"tiocsti_high", [] { return ::syscall(SYS_ioctl, 0, TIOCSTI | (1UL << 40), "x"); }},
        Attempt{"personality", [] { return ::syscall(SYS_personality, READ_IMPLIES_EXEC); }},
        Attempt{"of_tomorrow", [] { return ::syscall(1000); }},
    };
    for (const Attempt& attempt : attempts) {
        errno = 0;
        long result = attempt.call();
        ::dprintf(1, "%s %s\n", attempt.name, result < 0 ? strerrorname_np(errno) : "allowed");
    }
    return 0;
}

int say_identity() {
    uid_t user = 0, effective_user = 0, saved_user = 0;
    gid_t group = 0, effective_group = 0, saved_group = 0;
    ::getresuid(&user, &effective_user, &saved_user);
    ::getresgid(&group, &effective_group, &saved_group);
    ::dprintf(1, "%u %u %u %u\n", user, effective_user, group, effective_group);
    return 0;
}

int set_attribute(const char* path, const char* name, std::string_view hex) {
    std::string value;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        unsigned byte = 0;
        std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
        value.push_back(static_cast<char>(byte));
    }
    if (::lsetxattr(path, name, value.data(), value.size(), 0) == 0) return 0;
    ::dprintf(1, "%s\n", strerrorname_np(errno));
    return 1;
}

int get_attribute(const char* path, const char* name) {
    std::array<unsigned char, 256> value{};
    ssize_t size = ::lgetxattr(path, name, value.data(), value.size());
    if (size < 0) ::dprintf(1, "%s", strerrorname_np(errno));
    for (ssize_t i = 0; i < size; ++i) ::dprintf(1, "%02x", value[static_cast<std::size_t>(i)]);
    ::dprintf(1, "\n");
    return size < 0 ? 1 : 0;
}

int become_daemon(const char* file) {
    for (int step = 0; step < 2; ++step) {
        if (::fork() > 0) return 0;
        ::setsid();
    }
    for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_IGN);
    int out = ::open(file, O_WRONLY | O_CREAT | O_APPEND, 0644);
    for (;;) {
        if (::write(out, "x", 1) < 0) return 1;
        ::usleep(20'000);
    }
}

int connect_to(std::string_view name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    int result = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), size);
    ::dprintf(1, "%s\n", result < 0 ? strerrorname_np(errno) : "connected");
    return 0;
}

sockaddr_un address_of(std::string_view path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

int listen_at(std::string_view path) {
    sockaddr_un address = address_of(path);
    int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    return ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ? 1 : 0;
}

int talk_to(std::string_view path) {
    sockaddr_un address = address_of(path);
    int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    std::array<char, 64> text{};
    ssize_t size = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    if (size == 0) size = ::read(socket, text.data(), text.size());
    ::dprintf(1, "%s\n", size < 0 ? strerrorname_np(errno) : text.data());
    return 0;
}

int open_file(const char* path) {
    int result = ::open(path, O_RDONLY | O_NONBLOCK);
    ::dprintf(1, "%s\n", result < 0 ? strerrorname_np(errno) : "opened");
    return 0;
}

int list_attributes(const char* path) {
    std::array<char, 4096> names{};
    const ssize_t size = ::llistxattr(path, names.data(), names.size());
    for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(std::strlen(names.data() + at)) + 1)
        ::dprintf(1, "%s\n", names.data() + at);
    return size < 0 ? 1 : 0;
}

int fail(const char* what) {
    ::dprintf(2, "inside: %s: %s\n", what, strerrordesc_np(errno));
    return 1;
}

std::uint32_t number_in(std::string_view text) {
    std::uint32_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

int execute_as(const char* user, const char* group, char** program) {
    const uid_t uid = number_in(user);
    const gid_t gid = number_in(group);
    if (::setgroups(0, nullptr) < 0) return fail("setgroups");
    if (::setresgid(gid, gid, gid) < 0) return fail("setresgid");
    if (::setresuid(uid, uid, uid) < 0) return fail("setresuid");
    ::execv(program[0], program);
    return fail(program[0]);
}

int say_all_ids() {
    std::array<uid_t, 3> users{};
    std::array<gid_t, 3> groups{};
    ::getresuid(&users[0], &users[1], &users[2]);
    ::getresgid(&groups[0], &groups[1], &groups[2]);
    ::dprintf(1, "%u %u %u %u %u %u\n", users[0], users[1], users[2], groups[0], groups[1], groups[2]);
    return 0;
}

int say_limit_of_locks() {
    rlimit limit{};
    ::getrlimit(RLIMIT_LOCKS, &limit);
    for (const rlim_t value : {limit.rlim_cur, limit.rlim_max})
        ::dprintf(1, "%s\n", value == RLIM_INFINITY ? "unlimited" : std::to_string(value).c_str());
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    std::string_view what = count > 1 ? arguments[1] : "";
    if (what == "refused") return try_refused();
    if (what == "identity") return say_identity();
    if (what == "set" && count == 5) return set_attribute(arguments[2], arguments[3], arguments[4]);
    if (what == "get" && count == 4) return get_attribute(arguments[2], arguments[3]);
    if (what == "daemon" && count == 4) return become_daemon(arguments[2]);
    if (what == "connect" && count == 3) return connect_to(arguments[2]);
    if (what == "listen" && count == 3) return listen_at(arguments[2]);
    if (what == "talk" && count == 3) return talk_to(arguments[2]);
    if (what == "open" && count == 3) return open_file(arguments[2]);
    if (what == "list" && count == 3) return list_attributes(arguments[2]);
    if (what == "as" && count >= 5) return execute_as(arguments[2], arguments[3], arguments + 4);
    if (what == "ids") return say_all_ids();
    if (what == "limit-of-locks") return say_limit_of_locks();
    return 2;
}
