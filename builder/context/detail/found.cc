// SPDX-License-Identifier: Apache-2.0
#include "builder/context/detail/found.h"

#include <fmt/format.h>

#include "base/text.h"

namespace imgbuild::builder {
namespace {

layerstore::FileTime to_file_time(const timespec& time) noexcept {
    return {time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec)};
}

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
    if (!same_content(a, b) || a.first_seen != b.first_seen) return false;
    if (a.kind != layerstore::EntryKind::file) return true;
    return a.identity == b.identity && a.settled == b.settled && layerstore::same_xattrs(a.xattrs, b.xattrs);
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
