// SPDX-License-Identifier: Apache-2.0
#include "layerstore/snapshot/seal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/atomic_file.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/wire.h"

namespace imgbuild::layerstore {
namespace {

constexpr const char* seal_name = "seal";
constexpr std::uint64_t seal_limit = 128;

struct Level {
    Directory directory;
    std::vector<std::string> names;  // in descending order: the next one is the last
};

void note(WireWriter& out, std::string_view name, const struct stat& status) {
    out.text(name).varint(status.st_mode);
    for (const timespec& time : {status.st_mtim, status.st_ctim})
        out.varint(static_cast<std::uint64_t>(time.tv_sec)).varint(static_cast<std::uint64_t>(time.tv_nsec));
    // Directories have other inodes and sizes on some file systems after each mount.
    if (!S_ISDIR(status.st_mode)) out.varint(status.st_ino).varint(static_cast<std::uint64_t>(status.st_size));
}

Level open_level(Directory directory) {
    std::vector<std::string> names = directory.list();
    std::sort(names.begin(), names.end(), std::greater<>());
    return {std::move(directory), std::move(names)};
}

// In the order of names, depth first with a stack of our own: a hostile tree is deeper than a thread's stack.
std::string seal_of(const Directory& files) {
    Sha256 hash;
    auto add = [&](std::string_view name, const struct stat& status) {
        WireWriter out;
        note(out, name, status);
        hash.update(out.bytes());
    };
    struct stat root {};
    if (::fstat(files.fd(), &root) < 0) throw_errno("stat", files.name());
    add("", root);
    std::vector<Level> levels;
    levels.push_back(open_level(files.duplicate()));
    while (!levels.empty()) {
        Level& level = levels.back();
        if (level.names.empty()) {
            levels.pop_back();
            hash.update(std::string_view("\0", 1));  // or a file could move up to the directory above unseen
            continue;
        }
        const std::string name = std::move(level.names.back());
        level.names.pop_back();
        struct stat status {};
        if (::fstatat(level.directory.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) throw_errno("stat", name);
        add(name, status);
        if (!S_ISDIR(status.st_mode)) continue;
        Fd fd(::openat(level.directory.fd(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!fd) throw_errno("open directory", name);
        levels.push_back(open_level(Directory(std::move(fd), name)));
    }
    return hash.finish().hex() + "\n";
}

std::string seal_of_files(const Directory& delta) {
    return seal_of(delta.open_directory(ImagePath().child("files"), FollowLinks::never));
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
