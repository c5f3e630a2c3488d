// SPDX-License-Identifier: Apache-2.0
#include "base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "base/cancel.h"
#include "base/error.h"

namespace imgbuild {
namespace {

Fd open_lock(const Directory& directory, const std::string& name) {
    Fd fd = open_at(directory.fd(), name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (!fd) throw_errno("lock", directory.name() + "/" + name);
    return fd;
}

int operation(LockMode mode) { return mode == LockMode::shared ? LOCK_SH : LOCK_EX; }

}  // namespace

FileLock FileLock::acquire(const Directory& directory, const std::string& name, LockMode mode) {
    // A signal goes to any thread, and flock(2) in this one would not see it: so it does not wait in there.
    std::chrono::milliseconds pause{1};
    constexpr std::chrono::milliseconds longest_pause{64};
    while (true) {
        if (auto lock = try_acquire(directory, name, mode)) return std::move(*lock);
        throw_if_cancelled();
        std::this_thread::sleep_for(pause);
        pause = std::min(pause * 2, longest_pause);
    }
}

std::optional<FileLock> FileLock::try_acquire(const Directory& directory, const std::string& name, LockMode mode) {
    Fd fd = open_lock(directory, name);
    while (::flock(fd.get(), operation(mode) | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK) return std::nullopt;
        if (errno != EINTR) throw_errno("lock", directory.name() + "/" + name);
    }
    return FileLock(std::move(fd));
}

}  // namespace imgbuild
