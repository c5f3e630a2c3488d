// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <map>

#include "base/error.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/snapshot/upper_entry.h"

namespace imgbuild::layerstore {
namespace {

class UpperMerger {
  public:
    /// Without `marks` the target is a file system and no layer: there is nothing below it to hide.
    UpperMerger(const Directory& target, OverlaySpelling spelling, bool marks)
        : target_(target), spelling_(spelling), marks_(marks) {}

    /// Nothing but `only`, what lies below it and its parents.
    void merge(const Directory& layer, const ImagePath& only) {
        std::vector<Level> levels;
        levels.push_back({layer.duplicate(), target_.duplicate(), ImagePath(), {}, layer.list()});
        levels.back().entry = entry_of_open(status_of(layer.fd(), ImagePath()), layer.fd(), spelling_);
        levels.back().entry.xattrs = read_xattrs(layer.fd(), ImagePath());
        while (!levels.empty()) {
            if (levels.back().names.empty()) {
                finish(levels.back());
                levels.pop_back();
                continue;
            }
            Level& level = levels.back();
            std::string name = std::move(level.names.back());
            level.names.pop_back();
            ImagePath path = level.path.child(name);
            if (path != only && !path.is_below(only) && !only.is_below(path)) continue;
            struct stat found {};
            if (::fstatat(level.from.fd(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) < 0)
                throw_errno("stat", path.absolute());
            if (S_ISDIR(found.st_mode))
                levels.push_back(enter(level, name, path, found));
            else
                put(level, name, path, found);
        }
    }

  private:
    struct Level {
        Directory from;
        Directory to;
        ImagePath path;
        Entry entry;
        std::vector<std::string> names;
    };

    static struct stat status_of(int fd, const ImagePath& path) {
        struct stat status {};
        if (::fstat(fd, &status) < 0) throw_errno("stat", path.absolute());
        return status;
    }

    Level enter(const Level& level, const std::string& name, const ImagePath& path, const struct stat& found) {
        Directory from = level.from.open_directory(ImagePath().child(name), FollowLinks::never);
        struct stat old {};
        bool stands = ::fstatat(level.to.fd(), name.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0;
        bool opaque = is_opaque(from.fd(), spelling_);
        // What stood there hid the layers below the two; the directory that takes its place must as well.
        bool hides = stands && !S_ISDIR(old.st_mode);
        bool empties = stands && S_ISDIR(old.st_mode) && opaque;
        if (hides || empties) level.to.remove_tree(name);
        if (!stands || hides || empties) make_raw_directory(level.to.fd(), path);
        Directory to = level.to.open_directory(ImagePath().child(name), FollowLinks::never);
        if (marks_ && (opaque || hides)) set_opaque(to.fd(), spelling_, path);
        Entry entry = entry_of_open(found, from.fd(), spelling_);
        entry.xattrs = read_xattrs(from.fd(), path);
        std::vector<std::string> names = from.list();
        return {std::move(from), std::move(to), path, std::move(entry), std::move(names)};
    }

    void finish(const Level& level) {
        for (const auto& [name, value] : old_xattrs(level)) ::fremovexattr(level.to.fd(), name.c_str());
        dress(level.to.fd(), level.entry, level.path, spelling_);
        stamp(level.to.fd(), level.entry.mtime, level.path);
    }

    static Xattrs old_xattrs(const Level& level) {
        auto found = read_xattrs(level.to.fd(), level.path);
        return found ? *found : Xattrs{};
    }

    void put(const Level& level, const std::string& name, const ImagePath& path, const struct stat& found) {
        if (S_ISSOCK(found.st_mode)) return;
        const bool removes = is_whiteout(found);
        if (removes && is_opaque_mark(name, spelling_)) return;  // enter() saw it
        level.to.remove_tree(name);
        if (removes) {
            if (marks_) make_whiteout(level.to.fd(), path);
            return;
        }
        if (S_ISREG(found.st_mode) && found.st_nlink > 1 && link_known(level, name, path, found)) return;
        copy_object(level.from.fd(), path, level.to.fd(), path, found, spelling_);
    }

    // Makes `name` one more name of a file that was copied before; remembers it when it is the first.
    bool link_known(const Level& level, const std::string& name, const ImagePath& path, const struct stat& found) {
        auto [known, is_new] = links_.try_emplace({found.st_dev, found.st_ino}, path);
        if (is_new) return false;
        Fd parent = target_.open(known->second.parent(), O_PATH | O_DIRECTORY, FollowLinks::never);
        std::string first(known->second.name());
        if (::linkat(parent.get(), first.c_str(), level.to.fd(), name.c_str(), 0) < 0)
            throw_errno("link", path.absolute());
        return true;
    }

    const Directory& target_;
    OverlaySpelling spelling_;
    bool marks_;
    std::map<std::pair<dev_t, ino_t>, ImagePath> links_;
};

}  // namespace

void merge_upper(const Directory& layer, const Directory& target, OverlaySpelling spelling) {
    UpperMerger(target, spelling, true).merge(layer, {});
}

void lay_over(const Directory& layer, const Directory& target, OverlaySpelling spelling, const ImagePath& only) {
    UpperMerger(target, spelling, false).merge(layer, only);
}

}  // namespace imgbuild::layerstore
