// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <unordered_set>

#include "base/error.h"
#include "layerstore/snapshot/directory_stack.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/snapshot/upper_entry.h"

namespace imgbuild::layerstore {
namespace {

// Takes away everything that `kept` does not name. The parents of what it names are in it, so what is not in it
// can go whole.
void remove_others(const Directory& upper, const std::unordered_set<ImagePath>& kept) {
    struct Level {
        Directory directory;
        ImagePath path;
        std::vector<std::string> names;
    };
    std::vector<Level> levels;
    levels.push_back({upper.duplicate(), ImagePath(), upper.list()});
    while (!levels.empty()) {
        if (levels.back().names.empty()) {
            levels.pop_back();
            continue;
        }
        Level& level = levels.back();
        std::string name = std::move(level.names.back());
        level.names.pop_back();
        ImagePath path = level.path.child(name);
        struct stat status {};
        if (::fstatat(level.directory.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0)
            throw_errno("stat", path.absolute());
        if (!kept.contains(path) || S_ISSOCK(status.st_mode)) {
            level.directory.remove_tree(name);
        } else if (S_ISDIR(status.st_mode)) {
            Directory below = level.directory.open_directory(ImagePath().child(name), FollowLinks::never);
            std::vector<std::string> names = below.list();
            levels.push_back({std::move(below), std::move(path), std::move(names)});
        }
    }
}

void spell(DirectoryStack& stack, const Change& change, OverlaySpelling spelling) {
    if (change.path.is_root()) return;
    int parent = stack.enter(change.path.parent());
    std::string name = name_of(change.path);
    struct stat status {};
    bool stands = ::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (change.kind == ChangeKind::remove) {
        if (!stands) make_whiteout(parent, change.path);
        return;
    }
    if (!change.entry.is_directory()) return;
    if (!stands) {
        make_raw_directory(parent, change.path);
        int made = stack.enter(change.path);
        dress(made, change.entry, change.path, spelling);
    }
    int directory = stack.enter(change.path);
    if (change.kind == ChangeKind::empty)
        set_opaque(directory, spelling, change.path);
    else
        clear_opaque(directory, spelling);
}

}  // namespace

void finish_upper(const Directory& upper, const TreeDelta& delta, OverlaySpelling spelling) {
    std::unordered_set<ImagePath> kept;
    for (const Change& change : delta.changes()) kept.insert(change.path);
    remove_others(upper, kept);
    DirectoryStack stack(upper);
    for (const Change& change : delta.changes()) spell(stack, change, spelling);
    // Times last: everything above changes those of directories.
    for (const Change& change : delta.changes())
        if (change.kind != ChangeKind::remove)
            stamp_at(stack.enter(change.path.parent()), change.path, change.entry.mtime);
}

}  // namespace imgbuild::layerstore
