// SPDX-License-Identifier: Apache-2.0
#pragma once

// An flock(2) on a file: released by the kernel when its holder dies, so that no stale lock exists.

#include <optional>
#include <string>

#include "base/directory.h"
#include "base/fd.h"

namespace imgbuild {

enum class LockMode { shared, exclusive };

class FileLock {
  public:
    FileLock() noexcept = default;
    /// Waits for the lock on `name` in `directory`, which is made when missing. A wish to stop (base/cancel.h) ends
    /// the wait with Error{interrupted}. Throws Error.
    static FileLock acquire(const Directory& directory, const std::string& name, LockMode mode);
    /// Empty when another process holds it.
    static std::optional<FileLock> try_acquire(const Directory& directory, const std::string& name, LockMode mode);

    /// Gives the lock up for a while and keeps its file open, so that taking it again costs one call.
    void pause() noexcept;
    /// Waits for it again, as acquire() does.
    void resume(LockMode mode);

    /// True also while it is paused.
    bool held() const noexcept { return static_cast<bool>(fd_); }
    int fd() const noexcept { return fd_.get(); }
    void release() noexcept { fd_.reset(); }

  private:
    FileLock(Fd fd, std::string path) noexcept : fd_(std::move(fd)), path_(std::move(path)) {}
    bool try_lock(LockMode mode) const;

    Fd fd_;
    std::string path_;
};

}  // namespace imgbuild
