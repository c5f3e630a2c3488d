// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <unordered_map>

#include "base/error.h"
#include "base/side_by_side.h"
#include "layerstore/snapshot/directory_stack.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/snapshot/upper_entry.h"

namespace imgbuild::layerstore {
namespace {

// Below it one thread has stamped everything before a second one has begun.
constexpr std::size_t changes_worth_sharing = 2000;  // changes
constexpr std::size_t stamped_at_once = 256;

bool is_directory(const Change& change) noexcept {
    return change.kind != ChangeKind::remove && change.entry.is_directory();
}

// Takes away everything that no change names. The parents of what they name are among them, so what is not can go whole.
// What stands there is known from them, so that it need not be looked at.
class Remover {
  public:
    Remover(const Directory& upper, const TreeDelta& delta) {
        for (const Change& change : delta.changes()) kept_.emplace(change.path, &change);
        levels_.push_back({upper.duplicate(), ImagePath(), upper.list()});
    }

    void run() {
        while (!levels_.empty()) {
            Level& level = levels_.back();
            if (level.names.empty()) {
                levels_.pop_back();
                continue;
            }
            const std::string name = std::move(level.names.back());
            level.names.pop_back();
            look_at(level, name);
        }
    }

  private:
    struct Level {
        Directory directory;
        ImagePath path;
        std::vector<std::string> names;
    };

    void look_at(const Level& level, const std::string& name) {
        ImagePath path = level.path.child(name);
        const auto found = kept_.find(path);
        if (found == kept_.end() || is_socket_in_place_of(*found->second, level, name))
            return level.directory.remove_tree(name);
        if (!is_directory(*found->second)) return;
        Directory below = level.directory.open_directory(ImagePath().child(name), FollowLinks::never);
        std::vector<std::string> names = below.list();
        levels_.push_back({std::move(below), std::move(path), std::move(names)});
    }

    // A socket is no part of a delta: what it took the place of is gone.
    static bool is_socket_in_place_of(const Change& change, const Level& level, const std::string& name) {
        if (change.kind != ChangeKind::remove) return false;
        struct stat status {};
        if (::fstatat(level.directory.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0)
            throw_errno("stat", change.path.absolute());
        return S_ISSOCK(status.st_mode);
    }

    std::unordered_map<ImagePath, const Change*> kept_;
    std::vector<Level> levels_;
};

void spell(DirectoryStack& stack, const Change& change, OverlaySpelling spelling) {
    if (change.path.is_root() || (change.kind != ChangeKind::remove && !change.entry.is_directory())) return;
    int parent = stack.enter(change.path.parent());
    std::string name = name_of(change.path);
    struct stat status {};
    bool stands = ::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (change.kind == ChangeKind::remove) {
        if (!stands) make_whiteout(parent, change.path);
        return;
    }
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

// Each in any order: nothing of it changes the time of a directory.
void stamp_all(const Directory& upper, const TreeDelta& delta) {
    const auto changes = delta.changes();
    TaskPool pool(changes.size() < changes_worth_sharing ? 1 : available_processors());
    for_each_index(pool, (changes.size() + stamped_at_once - 1) / stamped_at_once, [&] {
        return [&, stack = std::make_shared<DirectoryStack>(upper)](std::size_t block) {
            const std::size_t begin = block * stamped_at_once;
            for (const Change& change : changes.subspan(begin, std::min(stamped_at_once, changes.size() - begin)))
                if (change.kind != ChangeKind::remove)
                    stamp_at(stack->enter(change.path.parent()), change.path, change.entry.mtime);
        };
    });
}

}  // namespace

void finish_upper(const Directory& upper, const TreeDelta& delta, OverlaySpelling spelling) {
    Remover(upper, delta).run();
    DirectoryStack stack(upper);
    for (const Change& change : delta.changes()) spell(stack, change, spelling);
    // Times last: everything above changes those of directories.
    stamp_all(upper, delta);
}

}  // namespace imgbuild::layerstore
