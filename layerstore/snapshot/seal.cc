// SPDX-License-Identifier: Apache-2.0
#include "layerstore/snapshot/seal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/side_by_side.h"
#include "base/wire.h"

namespace imgbuild::layerstore {
namespace {

constexpr const char* seal_name = "seal";
constexpr std::uint64_t seal_limit = 128;

// So many directories are worth a second thread; most deltas have a few.
constexpr std::size_t folders_worth_sharing = 16;
constexpr std::size_t no_folder = static_cast<std::size_t>(-1);

std::string noted(std::string_view name, const struct stat& status) {
    WireWriter out;
    out.text(name).varint(status.st_mode);
    for (const timespec& time : {status.st_mtim, status.st_ctim})
        out.varint(static_cast<std::uint64_t>(time.tv_sec)).varint(static_cast<std::uint64_t>(time.tv_nsec));
    // Directories have other inodes and sizes on some file systems after each mount.
    if (!S_ISDIR(status.st_mode)) out.varint(status.st_ino).varint(static_cast<std::uint64_t>(status.st_size));
    return out.take();
}

// What a seal is the digest of: read directory by directory, on all processors where there are many, and put in order
// then.
class SealedFiles {
  public:
    explicit SealedFiles(const Directory& files) : files_(files) {
        struct stat root {};
        if (::fstat(files.fd(), &root) < 0) throw_errno("stat", files.name());
        root_ = noted("", root);
        folders_.emplace_back();
        for (std::size_t begin = 0; begin < folders_.size();) {
            const std::size_t end = folders_.size();
            look_into(begin, end);
            for (; begin < end; ++begin) add_folders_of(begin);
        }
    }

    std::string seal() const {
        Sha256 hash;
        hash.update(root_);
        // With a stack of our own: a hostile tree is deeper than a thread's.
        std::vector<std::pair<const Folder*, std::size_t>> levels{{&folders_.front(), 0}};
        while (!levels.empty()) {
            auto& [folder, next] = levels.back();
            if (next == folder->entries.size()) {
                levels.pop_back();
                hash.update(std::string_view("\0", 1));  // or a file could move up to the directory above unseen
                continue;
            }
            const Noted& entry = folder->entries[next++];
            hash.update(entry.bytes);
            if (entry.folder != no_folder) levels.emplace_back(&folders_[entry.folder], 0);
        }
        return hash.finish().hex() + "\n";
    }

  private:
    struct Noted {
        std::string name;  // of a directory
        std::string bytes;
        bool is_directory = false;
        std::size_t folder = no_folder;  // of a directory, in folders_
    };
    struct Folder {
        ImagePath path;
        std::vector<Noted> entries;  // in the order of names
    };

    void look_into(std::size_t begin, std::size_t end) {
        TaskPool pool(end - begin < folders_worth_sharing ? 1 : available_processors());
        for_each_index(pool, end - begin,
                       [this, begin] { return [this, begin](std::size_t i) { look_into(folders_[begin + i]); }; });
    }

    void look_into(Folder& folder) const {
        const Directory directory =
            folder.path.is_root() ? files_.duplicate() : files_.open_directory(folder.path, FollowLinks::never);
        std::vector<std::string> names = directory.list();
        std::ranges::sort(names);
        folder.entries.reserve(names.size());
        for (std::string& name : names) {
            struct stat status {};
            if (::fstatat(directory.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) throw_errno("stat", name);
            Noted entry{{}, noted(name, status), S_ISDIR(status.st_mode)};
            if (entry.is_directory) entry.name = std::move(name);
            folder.entries.push_back(std::move(entry));
        }
    }

    void add_folders_of(std::size_t place) {
        for (Noted& entry : folders_[place].entries) {
            if (!entry.is_directory) continue;
            entry.folder = folders_.size();
            folders_.push_back({folders_[place].path.child(entry.name), {}});
        }
    }

    const Directory& files_;
    std::string root_;
    std::deque<Folder> folders_;  // references stay good while it grows
};

std::string seal_of_files(const Directory& delta) {
    const Directory files = delta.open_directory(ImagePath().child("files"), FollowLinks::never);
    return SealedFiles(files).seal();
}

}  // namespace

void write_seal(const Directory& delta) {
    write_file_atomically(delta, seal_name, seal_of_files(delta), Durability::none);
}

bool is_sealed(const Directory& spelling, const std::string& hex) {
    try {
        const Directory delta = spelling.open_directory(ImagePath().child(hex), FollowLinks::never);
        return delta.read_file(ImagePath().child(seal_name), seal_limit) == seal_of_files(delta);
    } catch (const Error&) {
        return false;
    }
}

}  // namespace imgbuild::layerstore
