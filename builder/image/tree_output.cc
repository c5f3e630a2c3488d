// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>

#include "base/atomic_file.h"
#include "base/cancel.h"
#include "base/directory.h"
#include "base/error.h"
#include "base/file_io.h"
#include "base/stream.h"
#include "base/text.h"
#include "builder/image/detail/file_destination.h"
#include "builder/image/output.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/snapshot/upper_entry.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

using layerstore::Child;
using layerstore::Entry;
using layerstore::OverlaySpelling;
using layerstore::Subtree;
using layerstore::Tree;
using layerstore::Xattrs;

constexpr std::uint32_t same_owner = UINT32_MAX;  // chown(2) leaves the owner alone
constexpr unsigned private_mode = 0600;           // of a file until it is dressed
constexpr mode_t owner_rights = 0700;             // what filling a directory takes

std::optional<struct stat> status_at(const Directory& parent, const std::string& name) {
    struct stat status {};
    if (::fstatat(parent.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
    return status;
}

// Two passes: all content with directories that we may enter, then the directories' own modes and times, because a
// mode can lock us out and every file made changes its directory's time.
class TreeWriter {
  public:
    TreeWriter(const Tree& tree, layerstore::ContentSources& contents, const Directory& target, OtherFiles unlisted)
        : tree_(tree), contents_(contents), target_(target), others_(unlisted) {}

    void write() {
        fill(target_, ImagePath(), *tree_.below());
        finish(target_, ImagePath(), *tree_.below());
    }

  private:
    void fill(const Directory& here, const ImagePath& path, const Subtree& below) {
        if (others_ == OtherFiles::remove) remove_others(here, below);
        for (const Child& child : below.children()) {
            throw_if_cancelled();
            const ImagePath child_path = path.child(child.name);
            if (child.entry.is_directory())
                fill(make_directory(here, child_path), child_path, *child.below);
            else
                put(here, child_path, child.entry);
        }
    }

    static void remove_others(const Directory& here, const Subtree& below) {
        std::set<std::string, std::less<>> kept;
        for (const Child& child : below.children()) kept.emplace(child.name);
        for (const std::string& name : here.list()) {
            throw_if_cancelled();
            if (!kept.contains(name)) here.remove_tree(name);
        }
    }

    Directory open(const Directory& here, const ImagePath& path) const {
        return here.open_directory(ImagePath().child(path.name()), FollowLinks::never);
    }

    Directory make_directory(const Directory& here, const ImagePath& path) const {
        const std::string name(path.name());
        auto there = status_at(here, name);
        if (there && !S_ISDIR(there->st_mode)) {
            remove(here, path);
            there.reset();
        }
        if (!there)
            layerstore::make_raw_directory(here.fd(), path);
        else if (!is_root_ && there->st_uid == ::geteuid() && (there->st_mode & owner_rights) != owner_rights)
            make_accessible(here, path, there->st_mode);
        return open(here, path);
    }

    // By way of /proc, because chmod by name follows a link.
    void make_accessible(const Directory& here, const ImagePath& path, mode_t mode) const {
        const Fd held = here.open(ImagePath().child(path.name()), O_PATH | O_DIRECTORY, FollowLinks::never);
        const std::string by_descriptor = fmt::format("/proc/self/fd/{}", held.get());
        if (::chmod(by_descriptor.c_str(), (mode & 07777) | owner_rights) != 0)
            throw_errno("make accessible", path.absolute());
    }

    void remove(const Directory& here, const ImagePath& path) const {
        if (::unlinkat(here.fd(), std::string(path.name()).c_str(), 0) != 0) throw_errno("replace", path.absolute());
    }

    void put(const Directory& here, const ImagePath& path, const Entry& entry) {
        auto there = status_at(here, std::string(path.name()));
        const bool is_directory = there && S_ISDIR(there->st_mode);
        if (is_directory && others_ == OtherFiles::remove) {
            here.remove_tree(path.name());
            there.reset();
        } else if (is_directory) {
            throw Error(ErrorKind::usage, fmt::format("{}: a directory stands there", printable(path.absolute())),
                        "empty the destination, or name another one");
        }
        const layerstore::LinkGroup* group = entry.is_file() ? tree_.links_of(path) : nullptr;
        if (entry.is_file() && (!group || group->front() == path)) {
            write_file(here, path, entry);
            return;
        }
        if (!group && !is_root_ && !is_for_everyone(entry)) return;
        if (there) remove(here, path);
        if (group)
            link(here, path, group->front());
        else
            make_special(here, path, entry);
    }

    static bool is_for_everyone(const Entry& entry) noexcept {
        return entry.kind == layerstore::EntryKind::symlink || entry.kind == layerstore::EntryKind::fifo;
    }

    void write_file(const Directory& here, const ImagePath& path, const Entry& entry) {
        const auto reader = contents_.require(entry.content, entry.size, path.bytes());
        AtomicFile file(here, std::string(path.name()), Durability::none, private_mode);
        write_with_holes(
            file.fd(), [&](std::span<std::byte> buffer) { return reader->read(buffer); }, block_.bytes(),
            path.absolute());
        layerstore::dress(file.fd(), kept_here(entry), path, OverlaySpelling::trusted);
        layerstore::stamp(file.fd(), entry.mtime, path);
        file.commit();
    }

    void link(const Directory& here, const ImagePath& path, const ImagePath& target) const {
        const Fd from = target_.open(target.parent(), O_PATH | O_DIRECTORY, FollowLinks::never);
        if (::linkat(from.get(), std::string(target.name()).c_str(), here.fd(), std::string(path.name()).c_str(), 0) !=
            0)
            throw_errno("make hard link", path.absolute());
    }

    void make_special(const Directory& here, const ImagePath& path, const Entry& entry) const {
        layerstore::make_special(here.fd(), path, kept_here(entry), OverlaySpelling::trusted);
        layerstore::stamp_at(here.fd(), path, entry.mtime);
    }

    // The part of `entry` that the user who runs us can give to a file.
    Entry kept_here(const Entry& entry) const {
        if (is_root_) return entry;
        Entry kept = entry;
        kept.uid = kept.gid = same_owner;
        if (!entry.xattrs) return kept;
        Xattrs attributes = *entry.xattrs;
        std::erase_if(attributes, [](const auto& attribute) { return attribute.first == "security.capability"; });
        kept.xattrs = std::make_shared<const Xattrs>(std::move(attributes));
        return kept;
    }

    void finish(const Directory& here, const ImagePath& path, const Subtree& below) const {
        for (const Child& child : below.children()) {
            if (!child.entry.is_directory()) continue;
            const ImagePath child_path = path.child(child.name);
            const Directory directory = open(here, child_path);
            finish(directory, child_path, *child.below);
            // One that stood there and is somebody else's: only its owner may change it.
            if (!is_root_ && directory.status(ImagePath())->st_uid != ::geteuid()) continue;
            layerstore::dress(directory.fd(), kept_here(child.entry), child_path, OverlaySpelling::trusted);
            layerstore::stamp(directory.fd(), child.entry.mtime, child_path);
        }
    }

    const Tree& tree_;
    layerstore::ContentSources& contents_;
    StreamBlock block_;
    const Directory& target_;
    const OtherFiles others_;
    const bool is_root_ = ::geteuid() == 0;
};

void fill_directory(const Tree& tree, layerstore::ContentSources& contents, const std::string& path,
                    OtherFiles unlisted) {
    const Directory target = Directory::create_host(path);
    with_context("write to " + printable(path), [&] { TreeWriter(tree, contents, target, unlisted).write(); });
}

// A slip in a script should not cost more than a build.
void refuse_to_empty(const std::string& path) {
    std::error_code problem;
    const std::filesystem::path place = std::filesystem::weakly_canonical(path, problem);
    const std::filesystem::path here = std::filesystem::current_path(problem);
    const char* home = std::getenv("HOME");
    const auto relative = here.lexically_relative(place);
    const bool holds_us = !relative.empty() && *relative.begin() != "..";
    if (!holds_us && place != "/" && !(home && place == std::filesystem::weakly_canonical(home, problem))) return;
    throw Error(ErrorKind::usage, fmt::format("write to {}: is not emptied for a result", printable(path)),
                "name a directory of the result's own, or leave mode=delete out");
}

// True if nothing stood at `path` and the directory there is ours alone now.
bool make_missing(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) {
        if (S_ISDIR(status.st_mode)) return false;
        throw Error(ErrorKind::usage, fmt::format("write to {}: not a directory", printable(path)));
    }
    static_cast<void>(Directory::create_host(detail::place_of(path).parent));
    return ::mkdir(path.c_str(), 0777) == 0;
}

// Not half of a tree stays where nothing was. What cannot be removed stays: the first failure is the one to tell.
void discard(const std::string& path) {
    const detail::HostPlace place = detail::place_of(path);
    try {
        Directory::open_host(place.parent).remove_tree(place.name);
    } catch (const Error&) {
        return;
    }
}

}  // namespace

void write_tree_archive(const Tree& tree, layerstore::ContentSources& contents, const std::string& path) {
    detail::write_to_file(path,
                          [&](ByteWriter& out) { layerstore::write_layer(layerstore::as_delta(tree), contents, out); });
}

void write_tree_directory(const Tree& tree, layerstore::ContentSources& contents, const std::string& path,
                          OtherFiles unlisted) {
    detail::require_destination(path);
    if (unlisted == OtherFiles::remove) refuse_to_empty(path);
    const bool is_ours = make_missing(path);
    try {
        fill_directory(tree, contents, path, unlisted);
    } catch (const Error&) {
        if (is_ours) discard(path);
        throw;
    }
}

}  // namespace imgbuild::builder
