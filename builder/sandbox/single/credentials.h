// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who a task takes itself for where all are one id: the user and group ids that its calls set and ask for, by the
// rules of credentials(7). Values and pure functions.

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "builder/sandbox/run_spec.h"

namespace imgbuild::builder {

/// The argument of a call that leaves an id as it is; no user or group has it.
inline constexpr std::uint32_t unchanged_id = 0xffffffff;

/// The four ids that a task has of a user or a group.
struct TaskIds {
    std::uint32_t real = 0;
    std::uint32_t effective = 0;
    std::uint32_t saved = 0;
    std::uint32_t files = 0;  ///< what it makes belongs to this one
    friend auto operator<=>(const TaskIds&, const TaskIds&) = default;

    static TaskIds all(std::uint32_t id) noexcept { return {id, id, id, id}; }
    /// True for the real, the effective and the saved one.
    bool has(std::uint32_t id) const noexcept { return id == real || id == effective || id == saved; }

    /// setuid(2), setreuid(2), setresuid(2) and their likes for groups, by who may take any id when `privileged`. Empty:
    /// not permitted.
    std::optional<TaskIds> with_one(std::uint32_t id, bool privileged) const noexcept;
    std::optional<TaskIds> with_two(std::uint32_t new_real, std::uint32_t new_effective,
                                    bool privileged) const noexcept;
    std::optional<TaskIds> with_three(const std::array<std::uint32_t, 3>& ids, bool privileged) const noexcept;
    /// setfsuid(2), which changes nothing where it is not permitted.
    TaskIds with_files(std::uint32_t id, bool privileged) const noexcept;
    /// After execve(2) of a file that gives the effective id `given`, or none.
    TaskIds after_execution(std::optional<std::uint32_t> given) const noexcept;
};

struct FileOwner {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    friend bool operator==(const FileOwner&, const FileOwner&) = default;
};

/// What a task may do by its capabilities, as far as calls are answered that ask for them; a bit for each.
struct TaskRights {
    std::uint64_t permitted = 0;
    std::uint64_t effective = 0;
    bool kept = false;  ///< they outlive the loss of root's ids: PR_SET_KEEPCAPS
    friend auto operator<=>(const TaskRights&, const TaskRights&) = default;
};

struct TaskCredentials {
    TaskIds user;
    TaskIds group;
    std::vector<std::uint32_t> groups;  ///< supplementary, in the order in which they were set
    TaskRights rights;
    friend auto operator<=>(const TaskCredentials&, const TaskCredentials&) = default;

    /// A command that starts as `start`; root has the capabilities `all`.
    static TaskCredentials of(const Credentials& start, std::uint64_t all);
    bool may(int capability) const noexcept { return (rights.effective >> capability & 1) != 0; }
    /// Takes other user ids, and what becomes of the capabilities by it.
    void set_user(const TaskIds& ids) noexcept;
    /// capset(2); false, and nothing changed, where it is not permitted.
    bool set_rights(std::uint64_t permitted, std::uint64_t effective) noexcept;
    /// execve(2) of a file that gives these effective ids, or none; root gets `all`.
    void execute(std::optional<std::uint32_t> uid, std::optional<std::uint32_t> gid, std::uint64_t all) noexcept;
    bool is_in_group(std::uint32_t id) const noexcept;
    /// True if chown(2) may give a file of `was` to `wanted`, where either id may be unchanged.
    bool may_give(const FileOwner& was, const FileOwner& wanted) const noexcept;
};

}  // namespace imgbuild::builder
