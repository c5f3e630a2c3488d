// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kernel's mount interface as functions that throw Error: new file systems, overlays, copies of mounts.
// Everything goes from descriptor to descriptor.

#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "builder/sandbox/mount_plan.h"

namespace imgbuild::builder {

/// A new file system, not attached anywhere.
Fd new_mount(const std::string& type, const std::vector<std::pair<std::string, std::string>>& options,
             const MountFlags& flags);

struct OverlayMount {
    std::vector<std::string> lower;  ///< highest first; names are looked up from the working directory
    std::string upper;               ///< empty for a read-only overlay
    std::string work;
    bool user_attributes = false;
    bool no_devices = false;  ///< device nodes open nothing
};
/// An overlay by the new mount interface; an empty Fd where the kernel does not take lower layers one by one
/// (before 6.5).
Fd new_overlay(const OverlayMount& overlay);
/// The same by mount(2), attached at `target`: for older kernels. The layers get short names as links in
/// `links`, an empty directory, because all options must fit one page; the working directory changes to it.
void mount_overlay_by_links(const OverlayMount& overlay, int links, const std::string& target);

/// A copy of the mount that `source` is in, rooted at `source`; with what is mounted below it when `recursive`.
Fd clone_mount(int source, bool recursive, const std::string& name);
/// Adds flags to a mount that is not attached yet.
void set_mount_flags(int mount, const MountFlags& flags, bool recursive);
void attach(int mount, int target, const std::string& name);

}  // namespace imgbuild::builder
