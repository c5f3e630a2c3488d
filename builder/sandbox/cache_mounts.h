// SPDX-License-Identifier: Apache-2.0
#pragma once

// The directories behind RUN --mount=type=cache: mounts/<hash of the id>/ of a store. The name is a hash, so no id
// can name another place; flocks keep the promises of the sharing modes between steps and between processes.
//
//   lock-N, data-N/   the N-th instance; more than one exists only when private mounts were in use at once

#include <string>
#include <vector>

#include "base/directory.h"
#include "base/file_lock.h"
#include "builder/sandbox/delta_folder.h"
#include "builder/sandbox/run_spec.h"

namespace imgbuild::builder {

/// A cache mount's directory for the time of one RUN.
struct HeldCache {
    FileLock lock;
    Directory data;
};

/// The same for all cache mounts of one RUN.
struct HeldCaches {
    std::vector<FileLock> locks;
    std::vector<std::string> paths;  ///< one for each mount, in their order
};

class CacheMounts {
  public:
    CacheMounts(const std::string& store, const std::string& spelling_name, const DeltaFolder& deltas);

    /// The directory of `mount`, made with its owner, mode and initial content when it is new. Waits while the
    /// sharing mode says so.
    HeldCache hold(const CacheMount& mount, const StopCheck& stop) const;
    /// The same for all mounts of a command. Taken in the order of their names, so that commands which need the same
    /// ones never wait for each other in a ring; an id that stands there twice is held once, by its strictest mode.
    HeldCaches hold_all(const std::vector<CacheMount>& mounts, const StopCheck& stop) const;
    /// The next command begins with an empty one; those that run keep theirs.
    void remove(const std::string& id) const;

    /// The name of the directory for `id`.
    std::string name_of(const std::string& id) const;

  private:
    FileLock lock_instance(const CacheMount& mount, const Directory& place, std::size_t& instance,
                           const StopCheck& stop) const;
    void fill(const CacheMount& mount, const Directory& place, const std::string& name, const StopCheck& stop) const;

    Directory mounts_;
    std::string spelling_name_;
    const DeltaFolder& deltas_;
};

}  // namespace imgbuild::builder
