// SPDX-License-Identifier: Apache-2.0
#pragma once

// Control groups: the limits that the processes of one command share. Which hierarchy has a controller, and where in it
// we may make a group, differs from machine to machine: version 1, version 2, both, none, or all of them read-only. What
// cannot be set is said, and the command runs without it; a group that was asked for by name must be there.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/directory.h"
#include "base/fd.h"
#include "builder/sandbox/run_spec.h"

namespace imgbuild::builder {

/// A mounted hierarchy, and where in it this process is.
struct CgroupHierarchy {
    bool unified = false;                  ///< version 2
    std::vector<std::string> controllers;  ///< of version 1; version 2 says it in each directory
    std::string mount_point;
    std::string own;  ///< a directory of the host at or below the mount point
};
/// From /proc/self/mountinfo and /proc/self/cgroup. Pure.
std::vector<CgroupHierarchy> cgroup_hierarchies(std::string_view mount_table, std::string_view own_groups);
/// Those of this process.
std::vector<CgroupHierarchy> own_cgroup_hierarchies();

/// One file of a group, and what is written to it.
struct CgroupSetting {
    std::string_view controller;  ///< "memory", "cpu", "cpuset", "pids"
    std::string_view file;
    std::string value;
    std::string_view option;  ///< of the command line that asks for it
    /// Where the kernel was built without it, what asked for the rest does not miss it.
    bool is_optional = false;
};
/// What `budget` means, in the order in which it is to be written. Pure.
std::vector<CgroupSetting> cgroup_settings(const ResourceBudget& budget, bool unified);

/// The directories of a version 2 hierarchy in which a group may be made, nearest first: ours and those above it.
std::vector<std::string> directories_above(const CgroupHierarchy& hierarchy);

/// The groups of one command; they go with the object, when nothing runs in them any more.
class Cgroup {
  public:
    /// Makes what `budget` asks for. Error{denied} or {unsupported} where budget.parent cannot be used.
    explicit Cgroup(const ResourceBudget& budget);
    Cgroup(const Cgroup&) = delete;
    Cgroup& operator=(const Cgroup&) = delete;
    ~Cgroup();

    bool is_empty() const noexcept { return groups_.empty(); }
    /// Limits that could not be set, and why; empty where all are.
    const std::vector<std::string>& not_enforced() const noexcept { return not_enforced_; }
    /// Takes the calling process in, and with it all that it starts.
    void join() const;
    /// Processes in it that the kernel killed for want of memory.
    std::uint64_t killed_for_memory() const;

  private:
    struct Group {
        std::string path;
        bool unified = false;
        bool has_memory = false;
        Fd processes;  ///< its cgroup.procs
    };
    void make_group(const CgroupHierarchy& hierarchy, std::span<const CgroupSetting> settings);
    void refuse(std::span<const CgroupSetting> settings, const std::string& why);
    /// What kept a group from being made in `parent`, an errno; 0 when it was.
    int make_in(const std::string& parent, const CgroupHierarchy& hierarchy, std::span<const CgroupSetting> settings);

    std::string parent_;
    std::vector<Group> groups_;
    std::vector<std::string> not_enforced_;
};

/// What this process may limit, for doctor: (controller, "yes (version 1)" or why not).
std::vector<std::pair<std::string, std::string>> cgroup_support();

/// How many processes of this machine the kernel has killed for want of memory since it began; 0 where it does not say.
std::uint64_t killed_for_memory_here();

}  // namespace imgbuild::builder
