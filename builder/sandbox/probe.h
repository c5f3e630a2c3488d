// SPDX-License-Identifier: Apache-2.0
#pragma once

// The ladder of isolation: which rungs work here, found by doing in a child and never by guessing, and why
// the better ones do not. docs/security.md says what each promises.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace imgbuild::builder {

enum class RootMode : std::uint8_t {
    root,      ///< rung 1: real root, overlay, all namespaces
    userns,    ///< rung 1: a user namespace with subordinate ids
    single,    ///< rung 2: a user namespace with one id, other owners kept by interception
    chroot,    ///< rung 3: root inside an ordinary container
    emulated,  ///< rung 4: neither, system calls answered for
};

/// "root", "userns", …: the words of --root-mode.
std::string_view name_of(RootMode mode) noexcept;
std::optional<RootMode> root_mode_from_name(std::string_view name) noexcept;

/// A range of ids: `count` ids from `outside` on appear as `inside` on.
struct IdRange {
    std::uint32_t inside = 0;
    std::uint32_t outside = 0;
    std::uint32_t count = 0;
    friend bool operator==(const IdRange&, const IdRange&) = default;
};

/// What one rung found.
struct Rung {
    RootMode mode = RootMode::root;
    bool works = false;
    /// No new /proc can be mounted, because parts of the one around are masked: commands have that one, and no process
    /// namespace (rung 1b or 2b). A rung that works has then a reason and a remedy, too.
    bool shares_processes = false;
    std::string reason;            ///< what blocks it, in one sentence
    std::string remedy;            ///< the command or setting that would open it; may be empty
    std::vector<IdRange> uid_map;  ///< userns and single
    std::vector<IdRange> gid_map;
};

/// What a machine says about user namespaces and containers: read where a trial failed for want of permission.
struct MachineSwitches {
    std::string max_user_namespaces;  ///< user.max_user_namespaces, as it stands there
    std::string unprivileged_clone;   ///< kernel.unprivileged_userns_clone; empty where the kernel has none
    std::string apparmor;             ///< kernel.apparmor_restrict_unprivileged_userns
    bool filtered = false;            ///< a system call filter is active on this process
    bool proc_masked = false;         ///< something is mounted below /proc
    bool store_is_overlay = false;    ///< the store lies on an overlay file system, which stacks on no other
};
/// True if a trial failed with `error` for want of a new /proc in a container that masks its own. Pure.
bool is_proc_refused(const Error& error, const MachineSwitches& switches);
/// Sets reason and remedy of a rung that failed with `error`. Pure.
void explain_refusal(Rung& rung, const Error& error, const MachineSwitches& switches);
/// True if a mount table (/proc/self/mountinfo) has a mount below /proc that hides something of it. Pure.
bool masks_proc(std::string_view mount_table);

/// Probes every rung of this version, best first, for doctor. `scratch_directory` should lie where the store does:
/// not every file system can hold overlay layers.
std::vector<Rung> probe_rungs(const std::string& scratch_directory);

/// The best rung that works, or the one that `wanted` names. Error{unsupported} says what blocks each.
Rung choose_rung(const std::vector<Rung>& rungs, std::optional<RootMode> wanted);
/// The same, probing no further than to the first that works: for a build. Costs tens of milliseconds.
Rung find_rung(const std::string& scratch_directory, std::optional<RootMode> wanted);

/// What a build on `rung` does not have that one on a better rung has, in one line; empty on rung 1.
std::string weakness_of(const Rung& rung);

/// The kernel features that doctor prints beside the ladder: (name, "yes" or the reason).
std::vector<std::pair<std::string, std::string>> kernel_features();

/// The ranges of subordinate ids that `file` (/etc/subuid or /etc/subgid) gives to the user of `uid`, by name or
/// number. Pure but for `file_content`.
std::vector<IdRange> parse_subordinate_ids(std::string_view file_content, std::uint32_t uid, std::string_view user);

}  // namespace imgbuild::builder
