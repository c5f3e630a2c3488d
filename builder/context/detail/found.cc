// SPDX-License-Identifier: Apache-2.0
#include "builder/context/detail/found.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace imgbuild::builder {
namespace {

layerstore::FileTime to_file_time(const timespec& time) noexcept {
    return {time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec)};
}

// '/' sorts lowest, so that a directory's content follows it at once.
int weight(char c) noexcept { return c == '/' ? -1 : static_cast<unsigned char>(c); }

}  // namespace

FileIdentity identity_of(const struct stat& status) noexcept {
    return {.size = static_cast<std::uint64_t>(status.st_size),
            .inode = status.st_ino,
            .device = status.st_dev,
            .mtime = to_file_time(status.st_mtim),
            .ctime = to_file_time(status.st_ctim)};
}

bool same_content(const IndexRecord& a, const IndexRecord& b) noexcept {
    return a.kind == b.kind && a.mode == b.mode && a.content == b.content;
}

bool operator==(const IndexRecord& a, const IndexRecord& b) noexcept {
    static const layerstore::Xattrs none;
    if (!same_content(a, b) || a.first_seen != b.first_seen) return false;
    if (a.kind != layerstore::EntryKind::file) return true;
    return a.identity == b.identity && a.settled == b.settled &&
           (a.xattrs == b.xattrs || (a.xattrs ? *a.xattrs : none) == (b.xattrs ? *b.xattrs : none));
}

int compare_paths(std::string_view a, std::string_view b) noexcept {
    auto [left, right] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    if (left == a.end()) return right == b.end() ? 0 : -1;
    return right == b.end() ? 1 : weight(*left) - weight(*right);
}

bool lies_below(std::string_view path, std::string_view directory) noexcept {
    return path.size() > directory.size() && path[directory.size()] == '/' && path.starts_with(directory);
}

std::string shown(std::string_view path) { return path.empty() ? "." : printable(path.substr(1)); }

Error changed_while_reading(std::string_view path) {
    return Error(ErrorKind::invalid_input,
                 fmt::format("context: {}: changed while the build was reading it", shown(path)),
                 "build again when nothing writes to it, or list it in .dockerignore");
}

void throw_unreadable(std::string_view path) {
    try {
        throw_errno("context", shown(path));
    } catch (Error& error) {
        if (error.kind() == ErrorKind::denied) error.set_hint("make it readable, or list it in .dockerignore");
        throw;
    }
}

}  // namespace imgbuild::builder
