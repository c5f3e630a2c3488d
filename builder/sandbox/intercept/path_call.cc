// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/intercept/path_call.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <array>

namespace imgbuild::builder {
namespace {

using When = WatchedCall::When;
using Wish = PathCall::Wish;

constexpr long fchmodat2 = 452;  // SYS_fchmodat2, newer than the headers

constexpr std::array watched {
#if defined(__x86_64__)
    WatchedCall{SYS_open}, WatchedCall{SYS_creat}, WatchedCall{SYS_stat}, WatchedCall{SYS_lstat},
        WatchedCall{SYS_access}, WatchedCall{SYS_readlink}, WatchedCall{SYS_chmod},
#endif
        WatchedCall{SYS_openat}, WatchedCall{SYS_openat2},
        WatchedCall{SYS_newfstatat, When::none_set, 3, AT_EMPTY_PATH},
        WatchedCall{SYS_statx, When::none_set, 2, AT_EMPTY_PATH}, WatchedCall{SYS_faccessat},
        WatchedCall{SYS_faccessat2, When::none_set, 3, AT_EMPTY_PATH}, WatchedCall{SYS_readlinkat},
        WatchedCall{SYS_fchmodat}, WatchedCall{fchmodat2, When::none_set, 3, AT_EMPTY_PATH},
        WatchedCall{SYS_linkat, When::any_set, 4, AT_SYMLINK_FOLLOW}, WatchedCall{SYS_execve},
};

std::optional<PathCall> old_call(const WaitingCall& call) {
#if defined(__x86_64__)
    const std::uint64_t path = call.argument(0);
    const auto mode = static_cast<std::uint32_t>(call.argument(1));
    switch (call.data.nr) {
        case SYS_open:
            return PathCall{.wish = Wish::open,
                            .path = path,
                            .flags = call.int_argument(1),
                            .mode = static_cast<std::uint32_t>(call.argument(2))};
        case SYS_creat:
            return PathCall{.wish = Wish::open, .path = path, .flags = O_CREAT | O_WRONLY | O_TRUNC, .mode = mode};
        case SYS_stat: return PathCall{.wish = Wish::status, .path = path, .buffer = call.argument(1)};
        case SYS_lstat:
            return PathCall{
                .wish = Wish::status, .path = path, .flags = AT_SYMLINK_NOFOLLOW, .buffer = call.argument(1)};
        case SYS_access: return PathCall{.wish = Wish::access, .path = path, .mode = mode};
        case SYS_readlink:
            return PathCall{
                .wish = Wish::read_link, .path = path, .buffer = call.argument(1), .buffer_size = call.argument(2)};
        case SYS_chmod: return PathCall{.wish = Wish::mode, .path = path, .mode = mode};
        default: break;
    }
#endif
    static_cast<void>(call);
    return std::nullopt;
}

}  // namespace

bool PathCall::follows() const noexcept {
    switch (wish) {
        case Wish::open:
        case Wish::open_how: return (flags & O_NOFOLLOW) == 0 && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
        case Wish::read_link: return false;
        default: return (flags & AT_SYMLINK_NOFOLLOW) == 0;
    }
}

std::span<const WatchedCall> path_calls() { return watched; }

std::optional<PathCall> path_call_of(const WaitingCall& call) {
    PathCall found{.directory = call.int_argument(0), .path = call.argument(1)};
    const auto third = static_cast<std::uint32_t>(call.argument(2));
    switch (call.data.nr) {
        case SYS_openat:
            found.flags = call.int_argument(2);
            found.mode = static_cast<std::uint32_t>(call.argument(3));
            return found;
        case SYS_openat2:
            found.wish = Wish::open_how;
            found.buffer = call.argument(2);
            found.buffer_size = call.argument(3);
            return found;
        case SYS_newfstatat:
            found.wish = Wish::status;
            found.buffer = call.argument(2);
            found.flags = call.int_argument(3);
            return found;
        case SYS_statx:
            found.wish = Wish::extended_status;
            found.flags = call.int_argument(2);
            found.mode = static_cast<std::uint32_t>(call.argument(3));
            found.buffer = call.argument(4);
            return found;
        case SYS_faccessat:
        case SYS_faccessat2:
            found.wish = Wish::access;
            found.mode = third;
            found.flags = call.data.nr == SYS_faccessat ? 0 : call.int_argument(3);
            return found;
        case SYS_readlinkat:
            found.wish = Wish::read_link;
            found.buffer = call.argument(2);
            found.buffer_size = call.argument(3);
            return found;
        case SYS_fchmodat:
        case fchmodat2:
            found.wish = Wish::mode;
            found.mode = third;
            found.flags = call.data.nr == SYS_fchmodat ? 0 : call.int_argument(3);
            return found;
        case SYS_linkat:
            found.wish = Wish::link;
            found.new_directory = call.int_argument(2);
            found.new_path = call.argument(3);
            return found;
        case SYS_execve: return PathCall{.wish = Wish::execute, .path = call.argument(0)};
        default: return old_call(call);
    }
}

}  // namespace imgbuild::builder
