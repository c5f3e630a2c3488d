// SPDX-License-Identifier: Apache-2.0
#pragma once

// The mounts of one RUN as data: an ordered list that says what is mounted where, made from the specification
// and the features of the kernel by a pure function. The sandbox's init carries it out and decides nothing.

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/image_path.h"
#include "builder/sandbox/run_spec.h"

namespace imgbuild::builder {

struct MountFlags {
    bool read_only = false;
    bool no_suid = false;
    bool no_dev = false;
    bool no_exec = false;
};

/// An overlay of `lower` (highest first, names below the spelling's folder of deltas/), attached at the stage
/// called `stage`. With `writable`, what is written goes to the stage's own folder of the work directory. A
/// single read-only layer is bound as it is. With `no_devices`, a device node in it opens nothing.
struct StackLayers {
    std::string stage;
    std::vector<std::string> lower;
    bool writable = false;
    bool no_devices = true;
};
/// The stage called `stage` becomes the root that all targets below are looked up in.
struct UseAsRoot {
    std::string stage;
};
/// A new file system of type `type`. The target is opened without following any link when `strict`.
struct MountNew {
    std::string type;
    ImagePath target;
    std::vector<std::pair<std::string, std::string>> options;  ///< an empty value is a flag
    MountFlags flags;
    bool strict = false;
};
/// A file on a memory file system of the sandbox's own, for BindStaged to bind. Its content is never printed; one that
/// is `secret` never comes to a disk either.
struct WriteFile {
    std::string name;
    std::string content;
    std::uint16_t mode = 0644;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    bool secret = false;
};
/// A file in the root itself, owned by root and with mode 0644, in the place of what the image has at `target`: a
/// command may replace it, and what it makes of it is the layer's. One that is left as it is leaves no trace. Below
/// another mount it is read-only.
struct PlaceFile {
    std::string name;
    std::string content;
    ImagePath target;
};
/// `source` inside the stage called `stage` ("files" holds what WriteFile wrote, "cache-N" the N-th cache mount).
struct BindStaged {
    std::string stage;
    ImagePath source;
    ImagePath target;
    MountFlags flags;
};
/// A path of the host, with everything mounted below it when `recursive`.
struct BindHost {
    std::string path;
    ImagePath target;
    MountFlags flags;
    bool recursive = false;
};
/// Owner and mode of a path of the host that was made for this sandbox.
struct SetOwner {
    std::string path;
    std::uint16_t mode = 0600;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
};
struct MakeDirectory {
    ImagePath path;
    std::uint16_t mode = 0755;
};
struct MakeLink {
    ImagePath path;
    std::string target;
};
/// A character device in a /dev of our own: made on a memory file system beside it and bound, so that /dev itself
/// can be one where no device opens.
struct MakeDevice {
    ImagePath path;
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
};
/// Hides a path that exists: an empty directory or /dev/null over it.
struct Mask {
    ImagePath path;
};
/// Makes a path that exists read-only, with what is mounted below it.
struct Protect {
    ImagePath path;
};

using MountOperation = std::variant<StackLayers, UseAsRoot, MountNew, WriteFile, PlaceFile, BindStaged, BindHost,
                                    SetOwner, MakeDirectory, MakeLink, MakeDevice, Mask, Protect>;
using MountPlan = std::vector<MountOperation>;

/// What the plan must know of the rung and the kernel.
struct MountFeatures {
    bool user_namespace = false;  ///< no device can be made: the host's are bound
    bool tty_group = true;        ///< group 5 is mapped
    bool cgroup2 = false;         ///< the host has the unified hierarchy only
    bool can_mount = true;        ///< else everything is a directory or a file put in the place of what stands there
};

/// What the helper found on disk for a RunSpec.
struct MountSources {
    std::vector<std::string> root;                ///< lower layers of the root, highest first
    std::vector<std::vector<std::string>> binds;  ///< of each BindMount
    std::string resolv_conf;                      ///< bytes of /etc/resolv.conf and /etc/hosts
    std::string hosts;
};

/// Without mounts the plan leaves the root itself out, and what only a mount can give.
/// Error{usage} for a mount target that would cover the root, /proc or what lies below it.
MountPlan plan_mounts(const RunSpec& spec, const MountSources& sources, const MountFeatures& features);

/// Gives `apply` the operations in their order; an Error that it throws gets the operation as its frame.
void carry_out(const MountPlan& plan, const std::function<void(const MountOperation&)>& apply);

/// One line per operation, for golden files and errors.
std::string describe(const MountPlan& plan);

}  // namespace imgbuild::builder
