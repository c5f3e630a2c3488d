// SPDX-License-Identifier: Apache-2.0
#pragma once

// Carries a MountPlan out, in a mount namespace of its own, before any code of the image runs. Targets are
// descriptors opened inside the new root, so a link in the image can lead nowhere else; what is mounted comes
// from descriptors as well.

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/directory.h"
#include "builder/sandbox/mount_plan.h"
#include "builder/sandbox/mount_targets.h"
#include "layerstore/snapshot/overlay_codec.h"

namespace imgbuild::builder {

/// Where a sandbox finds what the helper prepared. Host paths and no descriptors: a descriptor opened before
/// the mount namespace was unshared belongs to the old one, and the kernel lets nobody mount on it.
struct SandboxFolders {
    std::string layers;               ///< deltas/<spelling>: names of lower layers are below it
    std::string work_name;            ///< this RUN's folder, below `layers`; holds upper-<stage> and work-<stage>
    std::string stage;                ///< an empty directory below `layers`, to mount on
    std::vector<std::string> caches;  ///< in the order of RunSpec::caches
    layerstore::OverlaySpelling spelling = layerstore::OverlaySpelling::trusted;
};

class MountExecutor {
  public:
    /// Makes the mount namespace private and the stages' memory file system. The caller has just unshared it.
    explicit MountExecutor(const SandboxFolders& folders);

    /// Throws Error with the operation as its frame.
    void carry_out(const MountPlan& plan);
    /// Makes the new root the root of this process; nothing of the host stays mounted.
    void enter_root();

    /// The new root, once the plan was carried out.
    MountTargets& targets() noexcept { return targets_; }

  private:
    void apply(const StackLayers& op);
    void apply(const UseAsRoot& op);
    void apply(const MountNew& op);
    void apply(const WriteFile& op);
    void apply(const PlaceFile& op);
    void apply(const BindStaged& op);
    void apply(const BindHost& op);
    void apply(const SetOwner& op);
    void apply(const MakeDirectory& op);
    void apply(const MakeLink& op);
    void apply(const MakeDevice& op);
    void apply(const Mask& op);
    void apply(const Protect& op);

    Directory make_stage(const std::string& name);
    Directory stage_or_cache(const std::string& name) const;
    void attach_clone(int source, const ImagePath& target, const MountFlags& flags, bool recursive);

    const SandboxFolders& folders_;
    Directory layers_;
    Directory work_;
    Directory stage_;
    MountTargets targets_;
};

}  // namespace imgbuild::builder
