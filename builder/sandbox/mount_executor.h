// SPDX-License-Identifier: Apache-2.0
#pragma once

// Carries a MountPlan out, in a mount namespace of its own, before any code of the image runs. Targets are
// descriptors opened inside the new root, so a link in the image can lead nowhere else; what is mounted comes
// from descriptors as well.

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/directory.h"
#include "builder/sandbox/mount_plan.h"
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

/// A file or directory made in the image only to be mounted on.
struct MountStub {
    ImagePath path;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    bool is_directory = false;
};

class MountExecutor {
  public:
    /// Makes the mount namespace private and the stages' memory file system. The caller has just unshared it.
    explicit MountExecutor(const SandboxFolders& folders);

    /// Throws Error with the operation as its frame.
    void carry_out(const MountPlan& plan);
    /// Makes the new root the root of this process; nothing of the host stays mounted.
    void enter_root();

    /// The directory `path` of the new root, links followed inside it; what is missing is made with mode 0755 for
    /// `owner`, and is the command's: it stays in the layer. Error{not_found} where none can be: below a file, in
    /// /dev, /proc or /sys.
    Fd open_or_make_directory(const ImagePath& path, const Credentials& owner);

    const Directory& root() const noexcept { return root_; }
    const std::vector<MountStub>& stubs() const noexcept { return stubs_; }

  private:
    void apply(const StackLayers& op);
    void apply(const UseAsRoot& op);
    void apply(const MountNew& op);
    void apply(const WriteFile& op);
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
    Fd open_target(const ImagePath& target, bool strict, bool is_directory);
    ImagePath resolve_missing(const ImagePath& target, bool strict) const;
    /// Told of everything that is made; true if it is to have the constant time and its parent the one it had.
    using WhenMade = std::function<bool(const ImagePath& path, bool is_directory)>;
    Fd make_missing(const ImagePath& path, bool is_directory, const WhenMade& when_made);
    /// False where the path cannot come into the layer.
    bool remember_stub(const ImagePath& path, bool is_directory);
    void attach_clone(int source, const ImagePath& target, const MountFlags& flags, bool recursive);

    const SandboxFolders& folders_;
    Directory layers_;
    Directory work_;
    Directory stage_;
    Directory root_;
    Directory upper_;
    std::vector<MountStub> stubs_;
};

/// Takes the stubs away from the upper directory, innermost first: only what is still the object that was made,
/// and empty. Nothing runs in the sandbox any more.
void remove_stubs(const Directory& upper, const std::vector<MountStub>& stubs);

}  // namespace imgbuild::builder
