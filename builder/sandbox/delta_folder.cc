// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/delta_folder.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <unordered_set>

#include "base/error.h"
#include "builder/sandbox/plain/plain_returns.h"
#include "layerstore/snapshot/seal.h"
#include "layerstore/snapshot/trust.h"

namespace imgbuild::builder {
namespace {

constexpr const char* blocks_name = "blocks";
constexpr const char* use_name = "in-use";
constexpr int lock_poll_milliseconds = 10;

std::string files_of(const std::string& hex) { return hex + "/files"; }

// Overlay takes a directory once. A delta that stands in a stack twice is needed where it is highest only: there
// it says again everything that it said below.
void keep_first(std::vector<std::string>& names) {
    std::unordered_set<std::string> seen;
    std::erase_if(names, [&](const std::string& name) { return !seen.insert(name).second; });
}

}  // namespace

DeltaFolder::DeltaFolder(const std::string& store, const std::string& spelling_name,
                         layerstore::OverlaySpelling spelling)
    : deltas_(Directory::create_host(store + "/deltas")),
      folder_(deltas_.make_directory(ImagePath().child(spelling_name))),
      pending_(folder_.make_directory(ImagePath().child("pending"))),
      retired_(folder_.make_directory(ImagePath().child("retired"))),
      locks_(folder_.make_directory(ImagePath().child("locks"))),
      stage_(folder_.make_directory(ImagePath().child(stage_name))),
      spelling_(spelling) {}

bool DeltaFolder::has(const DeltaId& id) const { return layerstore::is_trusted(deltas_, folder_, id.value.hex()); }

TemporaryDirectory DeltaFolder::begin() const { return TemporaryDirectory::create_in(pending_); }

std::string DeltaFolder::path_of(const TemporaryDirectory& work) { return "pending/" + work.name(); }

void DeltaFolder::sweep() const {
    try {
        // Nobody waits for more than some renames: whoever starts to use deltas now finds none of these.
        if (const auto alone = FileLock::try_acquire(locks_, use_name, LockMode::exclusive))
            for (const std::string& name : retired_.list())
                if (::renameat(retired_.fd(), name.c_str(), pending_.fd(), name.c_str()) < 0) throw_errno("move", name);
        if (spelling_ == layerstore::OverlaySpelling::plain) bring_back_all();
        TemporaryDirectory::sweep(pending_);
    } catch (const Error&) {
        // Another process sweeps at the same time and was faster; what stays is swept by the next one.
    }
}

FileLock DeltaFolder::wait_for(const std::string& name, LockMode mode, const StopCheck& stop) const {
    for (;;) {
        if (auto lock = FileLock::try_acquire(locks_, name, mode)) return std::move(*lock);
        stop();
        ::poll(nullptr, 0, lock_poll_milliseconds);
    }
}

FileLock DeltaFolder::use(const StopCheck& stop) const { return wait_for(use_name, LockMode::shared, stop); }

FileLock DeltaFolder::lock(const std::string& hex, const StopCheck& stop) const {
    return wait_for(hex.substr(0, 2), LockMode::exclusive, stop);
}

void DeltaFolder::publish(const TemporaryDirectory& work, const std::string& files, const DeltaId& id) const {
    publish_as(work, files, folder_, id.value.hex());
}

void DeltaFolder::publish_as(const TemporaryDirectory& work, const std::string& files, const Directory& parent,
                             const std::string& hex) const {
    constexpr const char* made = "made";
    int place = work.directory().fd();
    if (::mkdirat(place, made, 0755) < 0) throw_errno("make directory", made);
    Directory delta = work.directory().open_directory(ImagePath().child(made), FollowLinks::never);
    if (::renameat(place, files.c_str(), delta.fd(), "files") < 0) throw_errno("move", files);
    layerstore::write_seal(delta);
    layerstore::write_marker(delta);
    if (::renameat2(place, made, parent.fd(), hex.c_str(), RENAME_NOREPLACE) == 0) return;
    if (errno != EEXIST) throw_errno("publish delta", hex);
    // What stands there was left by another boot, or made before and perhaps changed since.
    if (::renameat2(place, made, parent.fd(), hex.c_str(), RENAME_EXCHANGE) < 0) throw_errno("publish delta", hex);
    retire(work.directory(), made);
}

// Caches of commands whose processes were killed.
void DeltaFolder::bring_back_all() const {
    for (const std::string& name : pending_.list()) {
        try {
            const Directory work = pending_.open_directory(ImagePath().child(name), FollowLinks::never);
            if (const auto unused = FileLock::try_acquire(work, "lock", LockMode::exclusive)) bring_back(work);
        } catch (const Error&) {
            // Somebody else was faster, or it is no folder.
        }
    }
}

void DeltaFolder::retire(const Directory& parent, const std::string& name) const {
    if (::renameat(parent.fd(), name.c_str(), retired_.fd(), random_name().c_str()) < 0 && errno != ENOENT)
        throw_errno("remove delta", name);
}

void DeltaFolder::remove(const DeltaId& id, const StopCheck& stop) const {
    std::string hex = id.value.hex();
    FileLock held = lock(hex, stop);
    retire(folder_, hex);
    sweep();
}

std::vector<DeltaId> DeltaFolder::changed(std::span<const DeltaId> ids, const StopCheck& stop) const {
    std::vector<DeltaId> changed;
    for (const DeltaId& id : ids) {
        stop();
        if (!layerstore::is_sealed(folder_, id.value.hex())) changed.push_back(id);
    }
    return changed;
}

Directory DeltaFolder::open(const DeltaId& id) const {
    return folder_.open_directory(ImagePath::clean(files_of(id.value.hex())), FollowLinks::never);
}

Fd open_regular(const Directory& files, const ImagePath& path) {
    try {
        auto found = files.try_open(path, O_RDONLY | O_NONBLOCK, FollowLinks::never);
        struct stat status {};
        if (found && ::fstat(found->get(), &status) == 0 && S_ISREG(status.st_mode)) return std::move(*found);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::invalid_input) throw;  // a link, there or on the way
    }
    return Fd();
}

std::vector<std::string> DeltaFolder::stack(const std::vector<DeltaId>& layers, const StopCheck& stop) const {
    std::vector<std::string> lower;
    std::size_t at = 0;
    // The lowest block stays in single layers: it holds the base image, the largest part, and is not worth a
    // copy. Blocks are cut at fixed places, so that a stack that grows uses those of the one before.
    auto plain = [&](std::size_t end) {
        for (; at < end; ++at) lower.push_back(files_of(layers[at].value.hex()));
    };
    if (layers.size() > max_plain_layers) {
        plain(layers_in_block);
        for (; at + layers_in_block <= layers.size(); at += layers_in_block) {
            auto first = layers.begin() + static_cast<std::ptrdiff_t>(at);
            lower.push_back(block({first, first + static_cast<std::ptrdiff_t>(layers_in_block)}, stop));
        }
    }
    plain(layers.size());
    std::reverse(lower.begin(), lower.end());
    keep_first(lower);
    return lower;
}

std::string DeltaFolder::block(std::vector<DeltaId> layers, const StopCheck& stop) const {
    KeyHasher key("block of layers");
    for (const DeltaId& id : layers) key.add("layer", id.value);
    std::string hex = key.finish().hex();
    Directory blocks = folder_.make_directory(ImagePath().child(blocks_name));
    std::string name = std::string(blocks_name) + "/" + files_of(hex);
    auto stands = [&] { return layerstore::is_trusted(deltas_, blocks, hex) && layerstore::is_sealed(blocks, hex); };
    if (stands()) return name;
    FileLock held = lock(hex, stop);
    if (stands()) return name;
    TemporaryDirectory work = begin();
    Directory merged = work.directory().make_directory(ImagePath().child("files"));
    for (const DeltaId& id : layers) {
        stop();
        layerstore::merge_upper(open(id), merged, spelling_);
    }
    publish_as(work, "files", blocks, hex);
    return name;
}

}  // namespace imgbuild::builder
