// SPDX-License-Identifier: Apache-2.0
#pragma once

// Root file systems as plain directories, for commands that run where nothing can be mounted. One is laid down from
// the deltas of a stack, as copies, so that no command can write into the store; what a command left is taken for the
// next one, which mostly wants that and one delta more.
//
//   deltas/<spelling>/roots/<digest of the stack>/   a root that nobody uses; swept with the build that made it

#include <span>
#include <vector>

#include "builder/sandbox/delta_folder.h"

namespace imgbuild::builder {

class PlainRoots {
  public:
    /// `deltas` is borrowed.
    explicit PlainRoots(const DeltaFolder& deltas);

    /// Makes the directory `name` in `work` the file system that `layers` (lowest first) show: from the root of the
    /// longest part of the stack that is kept, else from nothing.
    Directory take(std::span<const DeltaId> layers, const Directory& work, const std::string& name,
                   const StopCheck& stop) const;
    /// Keeps what take() made, now the root of `layers`. A few are kept, the latest.
    void put(const Directory& work, const std::string& name, std::span<const DeltaId> layers) const;
    /// Removes all that are kept.
    void clear() const;

  private:
    const DeltaFolder& deltas_;
    Directory roots_;
};

/// The same file system in a directory of `work` that nobody takes over: what a mount shows. With `only`, nothing but
/// that path and what lies below it.
Directory lay_down_copy(const DeltaFolder& deltas, std::span<const DeltaId> layers, const Directory& work,
                        const std::string& name, const ImagePath& only, const StopCheck& stop);

}  // namespace imgbuild::builder
