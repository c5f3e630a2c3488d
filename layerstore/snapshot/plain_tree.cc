// SPDX-License-Identifier: Apache-2.0
#include "layerstore/snapshot/plain_tree.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <map>
#include <optional>

#include "base/error.h"
#include "layerstore/snapshot/directory_stack.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/snapshot/upper_entry.h"

namespace imgbuild::layerstore {
namespace {

using Line = TreeLook::Line;

bool is_same_time(const timespec& a, const timespec& b) noexcept {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}
bool is_before(const timespec& a, const timespec& b) noexcept {
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

struct stat status_at(int parent, const ImagePath& path) {
    struct stat status {};
    const std::string name = path.is_root() ? "." : name_of(path);
    if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) throw_errno("stat", path.absolute());
    return status;
}

Line line_of(const ImagePath& path, const struct stat& status) {
    return {path,
            status.st_dev,
            status.st_ino,
            status.st_mode,
            status.st_uid,
            status.st_gid,
            S_ISDIR(status.st_mode) ? 0 : status.st_size,
            status.st_nlink,
            status.st_mtim,
            status.st_ctim};
}

// What no layer can hold.
bool is_left_out(const struct stat& status) noexcept { return S_ISSOCK(status.st_mode) || is_whiteout(status); }

// Depth first with a stack of our own: a hostile tree is deeper than a thread's stack.
void walk(const Directory& root, const std::function<void(int parent, const ImagePath&, const struct stat&)>& visit) {
    struct Level {
        Directory directory;
        ImagePath path;
        std::vector<std::string> names;  // in descending order: the next one is the last
    };
    auto open_level = [](Directory directory, const ImagePath& path) {
        std::vector<std::string> names = directory.list();
        std::sort(names.begin(), names.end(), std::greater<>());
        return Level{std::move(directory), path, std::move(names)};
    };
    visit(root.fd(), ImagePath(), status_at(root.fd(), ImagePath()));
    std::vector<Level> levels;
    levels.push_back(open_level(root.duplicate(), ImagePath()));
    while (!levels.empty()) {
        Level& level = levels.back();
        if (level.names.empty()) {
            levels.pop_back();
            continue;
        }
        const ImagePath path = level.path.child(level.names.back());
        level.names.pop_back();
        const struct stat status = status_at(level.directory.fd(), path);
        visit(level.directory.fd(), path, status);
        if (!S_ISDIR(status.st_mode)) continue;
        Fd fd(::openat(level.directory.fd(), name_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!fd) throw_errno("open directory", path.absolute());
        levels.push_back(open_level(Directory(std::move(fd), path.absolute()), path));
    }
}

bool has_owner_and_bytes_of(const Line& was, const struct stat& is) noexcept {
    return was.mode == is.st_mode && was.uid == is.st_uid && was.gid == is.st_gid && was.size == is.st_size &&
           is_same_time(was.modified, is.st_mtim);
}

// Names that were one file and are one still, with something else in it: each but the first becomes a file of its own.
class LinkBreaker {
  public:
    explicit LinkBreaker(const Directory& root) : root_(root) {}

    void break_links(const TreeLook& before) {
        std::map<std::pair<dev_t, ino_t>, std::vector<const Line*>> groups;
        for (const Line& line : before.lines())
            if (S_ISREG(line.mode) && line.links > 1) groups[{line.device, line.inode}].push_back(&line);
        for (const auto& [file, names] : groups)
            if (names.size() > 1) break_group(names);
    }

  private:
    struct Name {
        Fd parent;
        const Line* was;
        struct stat is;
    };

    void break_group(const std::vector<const Line*>& names) {
        std::optional<Name> first;
        for (const Line* was : names) {
            std::optional<Name> name = find(*was);
            if (!name || !is_changed(*name)) continue;
            if (first)
                make_own(*name, *first);
            else
                first = std::move(name);
        }
    }

    // Empty where the name is gone, or another file's.
    std::optional<Name> find(const Line& was) const {
        try {
            Name name{root_.open(was.path.parent(), O_PATH | O_DIRECTORY, FollowLinks::never), &was, {}};
            if (::fstatat(name.parent.get(), name_of(was.path).c_str(), &name.is, AT_SYMLINK_NOFOLLOW) < 0)
                return std::nullopt;
            if (name.is.st_dev != was.device || name.is.st_ino != was.inode) return std::nullopt;
            return name;
        } catch (const Error&) {
            return std::nullopt;
        }
    }

    // That other names of the file went is no change of this one.
    static bool is_changed(const Name& name) noexcept {
        if (is_same_time(name.was->changed, name.is.st_ctim)) return false;
        return !has_owner_and_bytes_of(*name.was, name.is) || name.is.st_nlink >= name.was->links;
    }

    static void make_own(const Name& name, const Name& first) {
        const ImagePath& path = name.was->path;
        if (::unlinkat(name.parent.get(), name_of(path).c_str(), 0) < 0) throw_errno("unlink", path.absolute());
        copy_object(first.parent.get(), first.was->path, name.parent.get(), path, first.is, OverlaySpelling::plain);
    }

    const Directory& root_;
};

class ChangeCollector {
  public:
    ChangeCollector(const Directory& root, const TreeLook& before, const Directory& upper)
        : upper_(upper), next_(before.lines().begin()), end_(before.lines().end()), uppers_(upper_), roots_(root) {}

    void collect(const Directory& root) {
        walk(root, [&](int parent, const ImagePath& path, const struct stat& status) { visit(parent, path, status); });
        remove_until(nullptr);
        for (auto made = directories_.rbegin(); made != directories_.rend(); ++made) dress_directory(*made);
        dress_directory(ImagePath());
    }

  private:
    void visit(int parent, const ImagePath& path, const struct stat& status) {
        remove_until(&path);
        const bool stood = next_ != end_ && next_->path == path;
        const Line* was = stood ? &*next_++ : nullptr;
        if (is_left_out(status)) {
            if (was) remove(*was);
            return;
        }
        if (was && S_ISDIR(was->mode) && !S_ISDIR(status.st_mode)) skip_below(path);
        if (path.is_root() || (was && is_unchanged(*was, status))) return;
        if (S_ISDIR(status.st_mode))
            enter(path);
        else
            put(parent, path, status);
    }

    static bool is_unchanged(const Line& was, const struct stat& status) noexcept {
        return was.device == status.st_dev && was.inode == status.st_ino && is_same_time(was.changed, status.st_ctim) &&
               was.mode == status.st_mode && is_same_time(was.modified, status.st_mtim) &&
               (S_ISDIR(status.st_mode) || was.size == status.st_size);
    }

    // What stood before `next` in path order and was not met is gone.
    void remove_until(const ImagePath* next) {
        while (next_ != end_ && (!next || next_->path < *next)) {
            const Line& gone = *next_++;
            remove(gone);
        }
    }

    void remove(const Line& gone) {
        make_whiteout(enter(gone.path.parent()), gone.path);
        skip_below(gone.path);
    }

    void skip_below(const ImagePath& path) {
        while (next_ != end_ && next_->path.is_below(path)) ++next_;
    }

    int enter(const ImagePath& path) {
        return uppers_.enter_or_make(path, [this](int above, const std::string&, const ImagePath& made) {
            make_raw_directory(above, made);
            directories_.push_back(made);
        });
    }

    void put(int from, const ImagePath& path, const struct stat& status) {
        const int to = enter(path.parent());
        if (S_ISREG(status.st_mode) && status.st_nlink > 1) {
            auto [known, is_new] = links_.try_emplace({status.st_dev, status.st_ino}, path);
            if (!is_new) return link(known->second, to, path);
        }
        copy_object(from, path, to, path, status, OverlaySpelling::plain);
    }

    void link(const ImagePath& first, int to, const ImagePath& path) const {
        Fd parent = upper_.open(first.parent(), O_PATH | O_DIRECTORY, FollowLinks::never);
        if (::linkat(parent.get(), name_of(first).c_str(), to, name_of(path).c_str(), 0) < 0)
            throw_errno("link", path.absolute());
    }

    // Last of all, because what is put into a directory changes its time.
    void dress_directory(const ImagePath& path) {
        const int from = roots_.enter(path);
        struct stat status {};
        if (::fstat(from, &status) < 0) throw_errno("stat", path.absolute());
        Entry entry = entry_of(status);
        entry.xattrs = read_xattrs(from, path);
        const int to = uppers_.enter(path);
        dress(to, entry, path, OverlaySpelling::plain);
        stamp(to, entry.mtime, path);
    }

    const Directory& upper_;
    std::vector<Line>::const_iterator next_, end_;
    DirectoryStack uppers_;
    DirectoryStack roots_;
    std::vector<ImagePath> directories_;
    std::map<std::pair<dev_t, ino_t>, ImagePath> links_;
};

FileTime time_of(const timespec& time) noexcept { return {time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec)}; }

void wait_until_past(const timespec& moment) {
    timespec now{};
    while (::clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0 && !is_before(moment, now) &&
           now.tv_sec + 1 >= moment.tv_sec)
        ::poll(nullptr, 0, 1);
}

}  // namespace

TreeLook TreeLook::at(const Directory& root) {
    TreeLook look;
    timespec newest{};
    walk(root, [&](int, const ImagePath& path, const struct stat& status) {
        look.lines_.push_back(line_of(path, status));
        if (is_before(newest, status.st_ctim)) newest = status.st_ctim;
    });
    wait_until_past(newest);
    return look;
}

const TreeLook::Line* TreeLook::find(const ImagePath& path) const noexcept {
    auto found = std::ranges::lower_bound(lines_, path, {}, &Line::path);
    return found != lines_.end() && found->path == path ? &*found : nullptr;
}

void collect_changes(const Directory& root, const TreeLook& before, const Directory& upper) {
    LinkBreaker(root).break_links(before);
    ChangeCollector(root, before, upper).collect(root);
}

void settle(const Directory& root, const TreeLook& before, const TreeDelta& delta) {
    std::vector<ImagePath> left_out;
    std::vector<std::pair<ImagePath, FileTime>> times;
    walk(root, [&](int, const ImagePath& path, const struct stat& status) {
        if (!left_out.empty() && path.is_below(left_out.back())) return;
        const Change* change = delta.find(path);
        const Line* was = before.find(path);
        // A directory gets another time when something in it is removed.
        const auto want = [&](const FileTime& time) {
            if (S_ISDIR(status.st_mode) || time_of(status.st_mtim) != time) times.emplace_back(path, time);
        };
        if (change && change->kind != ChangeKind::remove)
            want(change->entry.mtime);
        else if (was && !is_left_out(status))
            want(time_of(was->modified));
        else
            left_out.push_back(path);
    });
    DirectoryStack stack(root);
    for (const ImagePath& path : left_out) {
        Fd parent = root.open(path.parent(), O_RDONLY | O_DIRECTORY, FollowLinks::never);
        Directory(std::move(parent), path.parent().absolute()).remove_tree(name_of(path));
    }
    for (const auto& [path, time] : times) {
        const int parent = stack.enter(path.parent());
        if (time_of(status_at(parent, path).st_mtim) != time) stamp_at(parent, path, time);
    }
}

}  // namespace imgbuild::layerstore
