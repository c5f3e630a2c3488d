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

// Until `attempt` succeeds. A signal goes to any thread, and flock(2) in this one would not see it: so nobody waits in
// there.
template <class Attempt>
void wait_until(Attempt attempt) {
    std::chrono::milliseconds pause{1};
    constexpr std::chrono::milliseconds longest_pause{64};
    while (!attempt()) {
        throw_if_cancelled();
        std::this_thread::sleep_for(pause);
        pause = std::min(pause * 2, longest_pause);
    }
}

}  // namespace

FileLock FileLock::acquire(const Directory& directory, const std::string& name, LockMode mode) {
    // Opened anew each time: who held it may have taken its file away.
    std::optional<FileLock> lock;
    wait_until([&] { return (lock = try_acquire(directory, name, mode)).has_value(); });
    return *std::move(lock);
}

std::optional<FileLock> FileLock::try_acquire(const Directory& directory, const std::string& name, LockMode mode) {
    FileLock lock(open_lock(directory, name), directory.name() + "/" + name);
    if (!lock.try_lock(mode)) return std::nullopt;
    return lock;
}

bool FileLock::try_lock(LockMode mode) const {
    while (::flock(fd_.get(), operation(mode) | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK) return false;
        if (errno != EINTR) throw_errno("lock", path_);
    }
    return true;
}

void FileLock::pause() noexcept { ::flock(fd_.get(), LOCK_UN); }

void FileLock::resume(LockMode mode) {
    wait_until([&] { return try_lock(mode); });
}

}  // namespace imgbuild
