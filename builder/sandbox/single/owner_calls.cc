// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/single/owner_calls.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>

namespace imgbuild::builder {
namespace {

using When = WatchedCall::When;
using Wish = FileCall::Wish;

constexpr long listxattrat = 465;  // newer than the headers
constexpr std::uint32_t makes_a_file = O_CREAT | (O_TMPFILE & ~O_DIRECTORY);
constexpr std::uint32_t kept_in_records = STATX_TYPE | STATX_MODE | STATX_UID | STATX_GID;

constexpr std::array watched {
#if defined(__x86_64__)
    WatchedCall{SYS_stat}, WatchedCall{SYS_lstat}, WatchedCall{SYS_open, When::any_set, 1, makes_a_file},
        WatchedCall{SYS_creat}, WatchedCall{SYS_mkdir}, WatchedCall{SYS_symlink}, WatchedCall{SYS_mknod},
        WatchedCall{SYS_chown}, WatchedCall{SYS_lchown},
#endif
        WatchedCall{SYS_newfstatat}, WatchedCall{SYS_fstat}, WatchedCall{SYS_openat, When::any_set, 2, makes_a_file},
        WatchedCall{SYS_openat2}, WatchedCall{SYS_statx, When::any_set, 3, kept_in_records}, WatchedCall{SYS_fchownat},
        WatchedCall{SYS_fchown}, WatchedCall{SYS_mkdirat}, WatchedCall{SYS_symlinkat}, WatchedCall{SYS_mknodat},
        WatchedCall{SYS_execve}, WatchedCall{SYS_execveat}, WatchedCall{SYS_chroot}, WatchedCall{SYS_listxattr},
        WatchedCall{SYS_llistxattr}, WatchedCall{SYS_flistxattr}, WatchedCall{listxattrat}, WatchedCall{SYS_getuid},
        WatchedCall{SYS_geteuid}, WatchedCall{SYS_getgid}, WatchedCall{SYS_getegid}, WatchedCall{SYS_getresuid},
        WatchedCall{SYS_getresgid}, WatchedCall{SYS_getgroups}, WatchedCall{SYS_setuid}, WatchedCall{SYS_setgid},
        WatchedCall{SYS_setreuid}, WatchedCall{SYS_setregid}, WatchedCall{SYS_setresuid}, WatchedCall{SYS_setresgid},
        WatchedCall{SYS_setfsuid}, WatchedCall{SYS_setfsgid}, WatchedCall{SYS_setgroups}, WatchedCall{SYS_capset},
        WatchedCall{SYS_capget}, WatchedCall{SYS_prctl, When::equal, 0, PR_SET_KEEPCAPS},
        WatchedCall{SYS_prlimit64, When::equal, 1, RLIMIT_LOCKS},
        WatchedCall{SYS_getrlimit, When::equal, 0, RLIMIT_LOCKS},
        WatchedCall{SYS_setrlimit, When::equal, 0, RLIMIT_LOCKS},
};

std::uint32_t low(std::uint64_t argument) noexcept { return static_cast<std::uint32_t>(argument); }

std::optional<FileCall> older_call(const WaitingCall& call) {
#if defined(__x86_64__)
    const std::uint64_t path = call.argument(0);
    const std::uint64_t second = call.argument(1);
    const std::uint64_t third = call.argument(2);
    switch (call.data.nr) {
        case SYS_stat: return FileCall{.wish = Wish::status, .path = path, .buffer = second};
        case SYS_lstat:
            return FileCall{.wish = Wish::status, .path = path, .flags = AT_SYMLINK_NOFOLLOW, .buffer = second};
        case SYS_open:
            return FileCall{.wish = Wish::open, .path = path, .flags = call.int_argument(1), .mode = low(third)};
        case SYS_creat:
            return FileCall{
                .wish = Wish::open, .path = path, .flags = O_CREAT | O_WRONLY | O_TRUNC, .mode = low(second)};
        case SYS_mkdir: return FileCall{.wish = Wish::directory, .path = path, .mode = low(second)};
        case SYS_symlink: return FileCall{.wish = Wish::link, .path = second, .buffer = path};
        case SYS_mknod: return FileCall{.wish = Wish::node, .path = path, .mode = low(second), .device = third};
        case SYS_chown: return FileCall{.wish = Wish::owner, .path = path, .uid = low(second), .gid = low(third)};
        case SYS_lchown:
            return FileCall{
                .wish = Wish::owner, .path = path, .flags = AT_SYMLINK_NOFOLLOW, .uid = low(second), .gid = low(third)};
        default: break;
    }
#endif
    static_cast<void>(call);
    return std::nullopt;
}

std::optional<FileCall> call_without_directory(const WaitingCall& call) {
    const std::uint64_t first = call.argument(0);
    const int descriptor = call.int_argument(0);
    const std::uint64_t second = call.argument(1);
    const std::uint64_t third = call.argument(2);
    switch (call.data.nr) {
        case SYS_fstat:
            return FileCall{.wish = Wish::status, .directory = descriptor, .flags = AT_EMPTY_PATH, .buffer = second};
        case SYS_fchown:
            return FileCall{.wish = Wish::owner,
                            .directory = descriptor,
                            .flags = AT_EMPTY_PATH,
                            .uid = low(second),
                            .gid = low(third)};
        case SYS_symlinkat:
            return FileCall{.wish = Wish::link, .directory = call.int_argument(1), .path = third, .buffer = first};
        case SYS_execve: return FileCall{.wish = Wish::execute, .path = first};
        case SYS_chroot: return FileCall{.wish = Wish::root, .path = first};
        case SYS_listxattr: return FileCall{.wish = Wish::attributes, .path = first, .buffer = second, .size = third};
        case SYS_llistxattr:
            return FileCall{
                .wish = Wish::attributes, .path = first, .flags = AT_SYMLINK_NOFOLLOW, .buffer = second, .size = third};
        case SYS_flistxattr:
            return FileCall{.wish = Wish::attributes,
                            .directory = descriptor,
                            .flags = AT_EMPTY_PATH,
                            .buffer = second,
                            .size = third};
        default: return older_call(call);
    }
}

}  // namespace

bool FileCall::follows() const noexcept {
    switch (wish) {
        case Wish::open:
        case Wish::open_how: return (flags & O_NOFOLLOW) == 0 && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
        case Wish::directory:
        case Wish::link:
        case Wish::node: return false;
        default: return (flags & AT_SYMLINK_NOFOLLOW) == 0;
    }
}

std::span<const WatchedCall> owner_calls() { return watched; }

std::optional<FileCall> file_call_of(const WaitingCall& call) {
    FileCall found{.directory = call.int_argument(0), .path = call.argument(1)};
    switch (call.data.nr) {
        case SYS_newfstatat:
            found.buffer = call.argument(2);
            found.flags = call.int_argument(3);
            return found;
        case SYS_statx:
            found.wish = Wish::extended_status;
            found.flags = call.int_argument(2);
            found.mode = low(call.argument(3));
            found.buffer = call.argument(4);
            return found;
        case SYS_fchownat:
            found.wish = Wish::owner;
            found.uid = low(call.argument(2));
            found.gid = low(call.argument(3));
            found.flags = call.int_argument(4);
            return found;
        case SYS_openat:
            found.wish = Wish::open;
            found.flags = call.int_argument(2);
            found.mode = low(call.argument(3));
            return found;
        case SYS_openat2:
            found.wish = Wish::open_how;
            found.buffer = call.argument(2);
            found.size = call.argument(3);
            return found;
        case SYS_mkdirat:
        case SYS_mknodat:
            found.wish = call.data.nr == SYS_mkdirat ? Wish::directory : Wish::node;
            found.mode = low(call.argument(2));
            found.device = call.argument(3);
            return found;
        case SYS_execveat:
            found.wish = Wish::execute;
            found.flags = call.int_argument(4);
            return found;
        case listxattrat:
            found.wish = Wish::attributes;
            found.flags = call.int_argument(2);
            found.buffer = call.argument(3);
            found.size = call.argument(4);
            return found;
        default: return call_without_directory(call);
    }
}

}  // namespace imgbuild::builder
