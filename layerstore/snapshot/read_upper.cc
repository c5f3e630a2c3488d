// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/error.h"
#include "base/side_by_side.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/snapshot/upper_entry.h"

namespace imgbuild::layerstore {
namespace {

// Below it one thread has read everything before a second one has begun.
constexpr std::uint64_t worth_sharing = 4 << 20;  // bytes
// What opening, looking at and closing a file costs, in bytes that could be read and hashed meanwhile.
constexpr std::uint64_t cost_of_file = 16 << 10;

class UpperReader {
  public:
    UpperReader(const Directory& upper, OverlaySpelling spelling) : upper_(upper), spelling_(spelling) {}

    TreeDelta read_all() {
        struct stat status {};
        if (::fstat(upper_.fd(), &status) < 0) throw_errno("stat", upper_.name());
        walk(status);
        read_files();
        std::vector<LinkGroup> groups;
        for (auto& [inode, link] : links_) {
            const Entry read = changes_[link.entries.front()].entry;
            for (std::size_t entry : link.entries) changes_[entry].entry = read;
            if (link.paths.size() > 1) groups.push_back(std::move(link.paths));
        }
        return TreeDelta::build(std::move(changes_), std::move(groups));
    }

  private:
    struct LinkedFile {
        std::vector<std::size_t> entries;  // in changes_; the first one is read
        LinkGroup paths;
    };
    struct Level {
        Directory directory;
        ImagePath path;
        std::vector<std::string> names;  // in descending order: the next one is the last
    };

    // Depth first with a stack of our own: a hostile tree is deeper than a thread's stack.
    void walk(const struct stat& root) {
        std::vector<Level> levels;
        levels.push_back(open_level(upper_.duplicate(), ImagePath(), root));
        while (!levels.empty()) {
            Level& level = levels.back();
            if (level.names.empty()) {
                levels.pop_back();
                continue;
            }
            std::string name = std::move(level.names.back());
            level.names.pop_back();
            struct stat found {};
            ImagePath child = level.path.child(name);
            if (::fstatat(level.directory.fd(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) < 0)
                throw_errno("stat", child.absolute());
            if (!S_ISDIR(found.st_mode)) {
                add(level.directory.fd(), child, found);
                continue;
            }
            Fd fd(::openat(level.directory.fd(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (!fd) throw_errno("open directory", child.absolute());
            levels.push_back(open_level(Directory(std::move(fd), child.absolute()), child, found));
        }
    }

    Level open_level(Directory directory, const ImagePath& path, const struct stat& status) {
        Entry entry = entry_of_open(status, directory.fd(), spelling_);
        entry.xattrs = read_xattrs(directory.fd(), path);
        bool opaque = !path.is_root() && is_opaque(directory.fd(), spelling_);
        changes_.push_back({path, opaque ? ChangeKind::empty : ChangeKind::put, std::move(entry)});
        std::vector<std::string> names = directory.list();
        std::sort(names.begin(), names.end(), std::greater<>());
        return Level{std::move(directory), path, std::move(names)};
    }

    void add(int parent, const ImagePath& path, const struct stat& status) {
        if (is_whiteout(status)) {
            if (is_opaque_mark(path.name(), spelling_)) return;
            changes_.push_back({path, ChangeKind::remove, {}});
            return;
        }
        if (S_ISSOCK(status.st_mode)) return;
        Entry entry = entry_below(status, parent, path, spelling_);
        if (entry.is_file() && status.st_nlink > 1) {
            LinkedFile& linked = links_[{status.st_dev, status.st_ino}];
            linked.paths.push_back(path);
            linked.entries.push_back(changes_.size());
            if (linked.entries.size() > 1) {
                changes_.push_back({path, ChangeKind::put, {}});
                return;
            }
        }
        if (entry.is_file()) {
            files_.push_back(changes_.size());
            cost_ += cost_of_file + static_cast<std::uint64_t>(status.st_size);
        }
        if (entry.kind == EntryKind::symlink) take_target(entry, parent, path);
        changes_.push_back({path, ChangeKind::put, std::move(entry)});
    }

    static void take_target(Entry& entry, int parent, const ImagePath& path) {
        const std::string name(path.name());
        entry.mode = 0777;
        entry.link_target.resize(ImagePath::max_bytes);
        ssize_t length = ::readlinkat(parent, name.c_str(), entry.link_target.data(), entry.link_target.size());
        if (length < 0) throw_errno("read link", path.absolute());
        entry.link_target.resize(static_cast<std::size_t>(length));
    }

    // Contents and attributes of all files, on all processors.
    void read_files() {
        TaskPool pool(cost_ < worth_sharing ? 1 : available_processors());
        for_each_index(pool, files_.size(), [this] {
            return [this, block = std::make_shared<StreamBlock>()](std::size_t file) {
                Change& change = changes_[files_[file]];
                read_content(change.path, change.entry, block->bytes());
            };
        });
    }

    void read_content(const ImagePath& path, Entry& entry, std::span<std::byte> block) const {
        const Fd fd = upper_.open(path, O_RDONLY | O_NOFOLLOW, FollowLinks::never);
        entry.xattrs = read_xattrs(fd.get(), path);
        FdReader reader(fd.get(), path.absolute());
        Sha256 hash;
        while (std::size_t count = reader.read(block)) {
            hash.update(std::span<const std::byte>(block.first(count)));
            entry.size += count;
        }
        entry.content = hash.finish();
    }

    const Directory& upper_;
    OverlaySpelling spelling_;
    std::vector<Change> changes_;
    std::vector<std::size_t> files_;  // in changes_: those that are read
    std::uint64_t cost_ = 0;          // of reading them
    std::map<std::pair<dev_t, ino_t>, LinkedFile> links_;
};

}  // namespace

TreeDelta read_upper(const Directory& upper, OverlaySpelling spelling) {
    return UpperReader(upper, spelling).read_all();
}

}  // namespace imgbuild::layerstore
