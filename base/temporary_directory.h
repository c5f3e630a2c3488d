// SPDX-License-Identifier: Apache-2.0
#pragma once

// A directory of our own for work in progress, held under an flock so that a sweep can tell it from one
// that a killed process left behind. The destructor takes it away.

#include <optional>
#include <string>

#include "base/directory.h"
#include "base/file_lock.h"

namespace imgbuild {

class TemporaryDirectory {
  public:
    /// Makes a directory with a random name in `parent`. Throws Error.
    static TemporaryDirectory create_in(const Directory& parent);
    /// In TMPDIR or /tmp.
    static TemporaryDirectory create();

    TemporaryDirectory(TemporaryDirectory&&) noexcept;
    TemporaryDirectory& operator=(TemporaryDirectory&&) noexcept;
    ~TemporaryDirectory();

    const Directory& directory() const noexcept { return directory_; }
    const std::string& name() const noexcept { return name_; }  ///< inside its parent
    const std::string& path() const noexcept { return directory_.name(); }

    /// Removes every directory in `parent` whose lock can be taken: what killed processes left.
    static void sweep(const Directory& parent);

  private:
    static std::optional<TemporaryDirectory> try_create_in(const Directory& parent);
    static void sweep_one(const Directory& parent, const std::string& name);
    TemporaryDirectory(Directory parent, Directory directory, std::string name, FileLock lock);
    void remove() noexcept;

    Directory parent_;
    Directory directory_;
    std::string name_;
    FileLock lock_;
};

}  // namespace imgbuild
