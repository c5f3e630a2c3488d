// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/cache_mounts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "layerstore/snapshot/upper_entry.h"

namespace imgbuild::builder {
namespace {

constexpr int poll_milliseconds = 20;

ImagePath named(const std::string& name) { return ImagePath().child(name); }

}  // namespace

CacheMounts::CacheMounts(const std::string& store, const std::string& spelling_name, const DeltaFolder& deltas)
    : mounts_(Directory::create_host(store + "/mounts")), spelling_name_(spelling_name), deltas_(deltas) {}

std::string CacheMounts::name_of(const std::string& id) const {
    return KeyHasher("cache mount").add("spelling", spelling_name_).add("id", id).finish().hex();
}

FileLock CacheMounts::lock_instance(const CacheMount& mount, const Directory& place, std::size_t& instance,
                                    const StopCheck& stop) const {
    // Without mounts the directory itself moves into the root of the one command that has it.
    const bool can_share = deltas_.spelling() != layerstore::OverlaySpelling::plain;
    LockMode mode = mount.sharing == CacheSharing::shared && can_share ? LockMode::shared : LockMode::exclusive;
    for (instance = 0;;) {
        if (auto lock = FileLock::try_acquire(place, fmt::format("lock-{}", instance), mode)) return std::move(*lock);
        if (mount.sharing == CacheSharing::exclusive) {
            ++instance;
            continue;
        }
        stop();
        ::poll(nullptr, 0, poll_milliseconds);
    }
}

HeldCache CacheMounts::hold(const CacheMount& mount, const StopCheck& stop) const {
    Directory place = mounts_.make_directory(named(name_of(mount.id)));
    std::size_t instance = 0;
    FileLock lock = lock_instance(mount, place, instance, stop);
    std::string name = fmt::format("data-{}", instance);
    if (!place.status(named(name))) {
        // Shared holders may come at once: one fills, under a lock of its own.
        FileLock filling = FileLock::acquire(place, "filling", LockMode::exclusive);
        if (deltas_.spelling() == layerstore::OverlaySpelling::plain)
            deltas_.sweep();  // it may be where a killed command had it
        if (!place.status(named(name))) fill(mount, place, name, stop);
    }
    return {std::move(lock), place.open_directory(named(name), FollowLinks::never)};
}

HeldCaches CacheMounts::hold_all(const std::vector<CacheMount>& mounts, const StopCheck& stop) const {
    std::map<std::string, std::vector<std::size_t>> by_name;
    for (std::size_t i = 0; i < mounts.size(); ++i) by_name[name_of(mounts[i].id)].push_back(i);
    HeldCaches held;
    held.paths.resize(mounts.size());
    for (const auto& [name, indices] : by_name) {
        // The modes are declared from the mildest to the strictest.
        auto strictest = std::ranges::max_element(indices, {}, [&](std::size_t i) { return mounts[i].sharing; });
        HeldCache one = hold(mounts[*strictest], stop);
        for (std::size_t i : indices) held.paths[i] = one.data.name();
        held.locks.push_back(std::move(one.lock));
    }
    return held;
}

void CacheMounts::fill(const CacheMount& mount, const Directory& place, const std::string& name,
                       const StopCheck& stop) const {
    TemporaryDirectory work = deltas_.begin();
    Directory made = work.directory().make_directory(named("files"));
    for (const DeltaId& id : mount.from) {
        stop();
        layerstore::merge_upper(deltas_.open(id), made, deltas_.spelling());
    }
    Directory data = made.open_directory(mount.from_source, FollowLinks::inside);
    layerstore::set_owner(data.fd(), mount.uid, mount.gid, deltas_.spelling(), "the cache mount");
    if (::fchmod(data.fd(), mount.mode) < 0) throw_errno("set mode of", "the cache mount");
    Directory parent = made.open_directory(mount.from_source.parent(), FollowLinks::inside);
    std::string source = mount.from_source.is_root() ? "files" : std::string(mount.from_source.name());
    int from = mount.from_source.is_root() ? work.directory().fd() : parent.fd();
    if (::renameat(from, source.c_str(), place.fd(), name.c_str()) < 0) throw_errno("make", "the cache mount");
}

void CacheMounts::remove(const std::string& id) const { deltas_.retire(mounts_, name_of(id)); }

}  // namespace imgbuild::builder
