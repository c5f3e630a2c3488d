// SPDX-License-Identifier: Apache-2.0
#pragma once

// deltas/<spelling> of a store: materialised deltas, work in progress, and the merged blocks of deep stacks
// (docs/formats/snapshot.md). What stands under its final name is whole.

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/file_lock.h"
#include "base/temporary_directory.h"
#include "layerstore/snapshot/overlay_codec.h"

namespace imgbuild::builder {

/// The kernel takes 500 lower layers; stacks above this are merged in blocks.
inline constexpr std::size_t max_plain_layers = 256;
inline constexpr std::size_t layers_in_block = 64;
/// Below directory(): where every sandbox, in a mount namespace of its own, mounts its stage. Empty for all others.
inline constexpr const char* stage_name = "stage";

/// Asked while waiting for another process; throws to stop.
using StopCheck = std::function<void()>;

/// A regular file of a delta, for reading; an empty Fd where there is none, links followed nowhere.
Fd open_regular(const Directory& files, const ImagePath& path);

class DeltaFolder {
  public:
    /// Makes what is missing. `store` is the store's path.
    DeltaFolder(const std::string& store, const std::string& spelling_name, layerstore::OverlaySpelling spelling);

    const Directory& directory() const noexcept { return folder_; }
    layerstore::OverlaySpelling spelling() const noexcept { return spelling_; }
    bool has(const DeltaId& id) const;

    /// A folder for work in progress, and its path below directory().
    TemporaryDirectory begin() const;
    static std::string path_of(const TemporaryDirectory& work);
    /// Takes away what killed processes left, and what was replaced or removed if nobody uses deltas.
    void sweep() const;

    /// Held while `hex` is being made, so that others wait instead of doing it too.
    FileLock lock(const std::string& hex, const StopCheck& stop) const;
    /// Publishes `files`, a directory in `work`, as the delta `id`, in place of what stands there already: that stays
    /// whole as long as somebody uses deltas, and until the next sweep. The caller has its lock.
    void publish(const TemporaryDirectory& work, const std::string& files, const DeltaId& id) const;
    void remove(const DeltaId& id, const StopCheck& stop) const;

    /// Moves `name` of a directory on the same file system out of sight, if it is there. Whoever holds use() keeps its
    /// files; a later sweep removes them one by one.
    void retire(const Directory& parent, const std::string& name) const;

    /// Of `ids`, which stand here, those whose files are not as they were published (layerstore/snapshot/seal.h).
    std::vector<DeltaId> changed(std::span<const DeltaId> ids, const StopCheck& stop) const;
    /// Keeps the files of every delta that stands here as long as the lock lives, even if another process replaces
    /// or removes it: one lock for all, because a stack may have hundreds of them.
    FileLock use(const StopCheck& stop) const;

    /// Names below directory() of the lower layers that show `layers` (lowest first), highest first. Deep stacks
    /// are merged in blocks, which are kept. A name stands there once, where it is highest.
    std::vector<std::string> stack(const std::vector<DeltaId>& layers, const StopCheck& stop) const;

    /// The files of a delta.
    Directory open(const DeltaId& id) const;

  private:
    void bring_back_all() const;
    void publish_as(const TemporaryDirectory& work, const std::string& files, const Directory& parent,
                    const std::string& hex) const;
    FileLock wait_for(const std::string& name, LockMode mode, const StopCheck& stop) const;
    std::string block(std::vector<DeltaId> layers, const StopCheck& stop) const;

    Directory deltas_;
    Directory folder_;
    Directory pending_;
    Directory retired_;
    Directory locks_;
    Directory stage_;
    layerstore::OverlaySpelling spelling_;
};

}  // namespace imgbuild::builder
