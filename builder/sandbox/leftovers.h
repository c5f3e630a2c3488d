// SPDX-License-Identifier: Apache-2.0
#pragma once

// The end of a command where no process namespace ends with it: what it left running is looked for and killed.

#include <sys/types.h>

#include <map>
#include <set>
#include <string_view>

#include "base/directory.h"

namespace imgbuild::builder {

/// From here on processes whose parent ends become children of this one, whatever generation they are of.
void adopt_orphans();

/// Kills all descendants of this process, those that they start meanwhile too, and reaps them. `proc` is a /proc that
/// shows them. Needs adopt_orphans().
void kill_descendants(const Directory& proc);

/// While it lives, whatever becomes of a child, nothing that it started survives: at the end it is looked for and killed.
class Adoption {
  public:
    Adoption() { adopt_orphans(); }
    Adoption(const Adoption&) = delete;
    Adoption& operator=(const Adoption&) = delete;
    ~Adoption();
};

/// The parent of every process that `proc` shows.
std::map<pid_t, pid_t> parents_of_all(const Directory& proc);
/// The parent in a line of /proc/PID/stat; 0 for what is none. Pure.
pid_t parent_in_stat(std::string_view line);
/// All that `root` is an ancestor of, given the parent of each process. Pure.
std::set<pid_t> descendants_of(pid_t root, const std::map<pid_t, pid_t>& parents);

}  // namespace imgbuild::builder
