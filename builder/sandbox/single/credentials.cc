// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/single/credentials.h"

#include <linux/capability.h>

#include <algorithm>

namespace imgbuild::builder {

std::optional<TaskIds> TaskIds::with_one(std::uint32_t id, bool privileged) const noexcept {
    if (privileged) return all(id);
    if (id != real && id != saved) return std::nullopt;
    TaskIds ids = *this;
    ids.effective = ids.files = id;
    return ids;
}

std::optional<TaskIds> TaskIds::with_two(std::uint32_t new_real, std::uint32_t new_effective,
                                         bool privileged) const noexcept {
    TaskIds ids = *this;
    if (new_real != unchanged_id) {
        if (!privileged && new_real != real && new_real != effective) return std::nullopt;
        ids.real = new_real;
    }
    if (new_effective != unchanged_id) {
        if (!privileged && !has(new_effective)) return std::nullopt;
        ids.effective = new_effective;
    }
    if (new_real != unchanged_id || (new_effective != unchanged_id && new_effective != real)) ids.saved = ids.effective;
    ids.files = ids.effective;
    return ids;
}

std::optional<TaskIds> TaskIds::with_three(const std::array<std::uint32_t, 3>& ids, bool privileged) const noexcept {
    for (const std::uint32_t id : ids)
        if (id != unchanged_id && !privileged && !has(id)) return std::nullopt;
    TaskIds changed = *this;
    if (ids[0] != unchanged_id) changed.real = ids[0];
    if (ids[1] != unchanged_id) changed.effective = ids[1];
    if (ids[2] != unchanged_id) changed.saved = ids[2];
    changed.files = changed.effective;
    return changed;
}

TaskIds TaskIds::with_files(std::uint32_t id, bool privileged) const noexcept {
    TaskIds ids = *this;
    if (id != unchanged_id && (privileged || has(id) || id == files)) ids.files = id;
    return ids;
}

TaskIds TaskIds::after_execution(std::optional<std::uint32_t> given) const noexcept {
    TaskIds ids = *this;
    if (given) ids.effective = *given;
    ids.saved = ids.files = ids.effective;
    return ids;
}

TaskCredentials TaskCredentials::of(const Credentials& start, std::uint64_t all) {
    const std::uint64_t rights = start.uid == 0 ? all : 0;
    return {TaskIds::all(start.uid), TaskIds::all(start.gid), start.groups, {rights, rights, false}};
}

void TaskCredentials::set_user(const TaskIds& ids) noexcept {
    if (user.has(0) && !ids.has(0) && !rights.kept) rights.permitted = rights.effective = 0;
    if (user.effective == 0 && ids.effective != 0) rights.effective = 0;
    if (user.effective != 0 && ids.effective == 0) rights.effective = rights.permitted;
    user = ids;
}

bool TaskCredentials::set_rights(std::uint64_t permitted, std::uint64_t effective) noexcept {
    if ((permitted & ~rights.permitted) != 0 || (effective & ~permitted) != 0) return false;
    rights.permitted = permitted;
    rights.effective = effective;
    return true;
}

void TaskCredentials::execute(std::optional<std::uint32_t> uid, std::optional<std::uint32_t> gid,
                              std::uint64_t all) noexcept {
    user = user.after_execution(uid);
    group = group.after_execution(gid);
    rights.permitted = user.real == 0 || user.effective == 0 ? all : 0;
    rights.effective = user.effective == 0 ? rights.permitted : 0;
    rights.kept = false;
}

bool TaskCredentials::is_in_group(std::uint32_t id) const noexcept {
    return id == group.files || std::ranges::find(groups, id) != groups.end();
}

bool TaskCredentials::may_give(const FileOwner& was, const FileOwner& wanted) const noexcept {
    if (may(CAP_CHOWN)) return true;
    if (wanted.uid == unchanged_id && wanted.gid == unchanged_id) return true;
    if (was.uid != user.files) return false;
    if (wanted.uid != unchanged_id && wanted.uid != was.uid) return false;
    return wanted.gid == unchanged_id || wanted.gid == was.gid || is_in_group(wanted.gid);
}

}  // namespace imgbuild::builder
