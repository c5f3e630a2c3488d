// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a scan knows of each path: the record that the index keeps, and beside it what only this scan needs.

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "layerstore/tree/entry.h"

namespace imgbuild::builder {

/// What tells that a file is the one that was hashed.
struct FileIdentity {
    std::uint64_t size = 0;
    std::uint64_t inode = 0;
    std::uint64_t device = 0;
    layerstore::FileTime mtime;
    layerstore::FileTime ctime;
    friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
FileIdentity identity_of(const struct stat& status) noexcept;

/// One path in the index.
struct IndexRecord {
    layerstore::EntryKind kind = layerstore::EntryKind::file;
    std::uint16_t mode = 0;  ///< as it is on disk, 0 to 07777; symlinks have 0777, the root 0755
    layerstore::FileTime first_seen;
    Digest content;         ///< of a file's bytes, a link's target, a device's numbers; else zero
    FileIdentity identity;  ///< files only
    bool settled = false;   ///< files only: the identity may be trusted
    std::shared_ptr<const layerstore::Xattrs> xattrs;  ///< files only: as kept by keeps_xattr()
};
/// The same kind, mode and bytes: what first_seen is the time of.
bool same_content(const IndexRecord& a, const IndexRecord& b) noexcept;
bool operator==(const IndexRecord& a, const IndexRecord& b) noexcept;

/// No number of anything.
inline constexpr std::uint32_t nothing = UINT32_MAX;

/// One path of this scan. `record.xattrs` holds a directory's too.
struct Found {
    IndexRecord record;
    std::uint64_t path_at = 0;  ///< in FoundPaths::bytes
    std::uint32_t path_size = 0;
    std::uint32_t depth = 0;            ///< components; 0 for the root
    std::uint32_t parent = nothing;     ///< in FoundPaths::entries
    std::uint32_t indexed = nothing;    ///< number of the path's record in the index
    std::uint32_t replaced = nothing;   ///< in FoundPaths::replaced: that record, unless it holds as it is
    std::uint32_t same_file = nothing;  ///< in FoundPaths::entries: the first name of a hard-linked file
    layerstore::FileTime mtime;         ///< its own; the root's says nothing, and is the constant
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    std::string link_target;
    bool included = true;  ///< false for an ignored directory below which nothing was re-included
    bool known = false;    ///< the content needs no reading
};

/// A scan's paths in path order.
struct FoundPaths {
    std::string bytes;  ///< all paths, one behind the other: "" for the root, else "/a/b"
    std::vector<Found> entries;
    std::vector<IndexRecord> replaced;
    std::vector<bool> kept;  ///< for each record of the index: it stays, for this scan did not look there

    std::string_view path(const Found& found) const noexcept {
        return std::string_view(bytes).substr(found.path_at, found.path_size);
    }
    std::string_view path(std::uint32_t index) const noexcept { return path(entries[index]); }
};

/// How messages name "/a/b": "a/b", printable; "." for the root.
std::string shown(std::string_view path);
/// Error{invalid_input} "context: FILE: changed while the build was reading it".
Error changed_while_reading(std::string_view path);
/// Throws what errno says of a failed call on a path of the context: as throw_errno(), with a hint for denied.
[[noreturn]] void throw_unreadable(std::string_view path);

}  // namespace imgbuild::builder
