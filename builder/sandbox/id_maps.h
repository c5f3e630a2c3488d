// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which user and group ids mean what in a user namespace: the maps of this process, those to give to a new one,
// and how they are given.

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "builder/sandbox/probe.h"

namespace imgbuild::builder {

/// The text of a file like /proc/self/uid_map as ranges; what is no range is left out.
std::vector<IdRange> parse_id_map(std::string_view text);
/// The ranges of /proc/self/uid_map or gid_map.
std::vector<IdRange> own_id_map(const std::string& file);
/// True in the user namespace that the kernel started with; its map alone does not tell it from others.
bool in_initial_user_namespace() noexcept;
bool is_mapped(const std::vector<IdRange>& ranges, std::uint32_t inside) noexcept;

/// The map of a rootless namespace: 0 is the caller, the ids from 1 on are the subordinate ones, in their order.
std::vector<IdRange> rootless_map(std::uint32_t caller, const std::vector<IdRange>& subordinate);

/// Makes the caller root of a new user namespace that has no other id: uses no program and needs no subordinate ids.
/// For a process with one thread. Throws Error.
void become_only_id_of_namespace();

/// Gives the maps of `rung` to the namespace that process `pid` has just made: directly for root, else by the
/// set-uid programs newuidmap and newgidmap. Error{unsupported} says what refused.
void give_maps(pid_t pid, const Rung& rung);

}  // namespace imgbuild::builder
