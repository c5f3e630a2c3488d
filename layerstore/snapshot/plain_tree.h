// SPDX-License-Identifier: Apache-2.0
#pragma once

// A file system as a plain directory, for commands that run where nothing can be mounted: what changed in it is found
// by comparing what stat says before and after, and becomes a layer in plain spelling. No file that stayed is read.

#include <sys/stat.h>

#include <vector>

#include "base/directory.h"
#include "base/image_path.h"
#include "layerstore/tree/entry.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::layerstore {

/// What stat says of everything in a directory at one moment.
class TreeLook {
  public:
    struct Line {
        ImagePath path;
        dev_t device = 0;
        ino_t inode = 0;
        mode_t mode = 0;
        uid_t uid = 0;
        gid_t gid = 0;
        off_t size = 0;  ///< 0 for directories
        nlink_t links = 1;
        timespec modified{};
        timespec changed{};
    };

    /// Looks at `root` and everything below it. Returns only when a change made from now on would show: the kernel's
    /// times have a grain.
    static TreeLook at(const Directory& root);

    /// In path order, the root first.
    const std::vector<Line>& lines() const noexcept { return lines_; }
    /// Null when nothing stood there.
    const Line* find(const ImagePath& path) const noexcept;

  private:
    std::vector<Line> lines_;
};

/// Writes what is in `root` now and was not, or was different, `before` into the empty directory `upper`, with removals
/// of what is gone: a layer in plain spelling, as the upper directory of an overlay would be. Contents are shared where
/// the file system can, else copied. Sockets and devices 0:0 are left out.
///
/// Names that were one file before and were changed become files of their own, in `root` too: overlay breaks such links
/// when one of the names is changed.
void collect_changes(const Directory& root, const TreeLook& before, const Directory& upper);

/// Gives `root`, from which collect_changes() made what became `delta`, the times that it would have if `delta` had been
/// laid over what it was before; what the delta left out goes.
void settle(const Directory& root, const TreeLook& before, const TreeDelta& delta);

}  // namespace imgbuild::layerstore
