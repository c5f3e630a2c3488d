// SPDX-License-Identifier: Apache-2.0
#pragma once

// One object of a file system, without its name and without its bytes.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/wire.h"

namespace imgbuild::layerstore {

enum class EntryKind : std::uint8_t { directory, file, symlink, fifo, character_device, block_device };

constexpr bool is_device(EntryKind kind) noexcept {
    return kind == EntryKind::character_device || kind == EntryKind::block_device;
}

/// Extended attributes, sorted by name, each name once. Which ones enter a tree at all: keeps_xattr().
using Xattrs = std::vector<std::pair<std::string, std::string>>;

/// The time that entries of a build carry: whole seconds and nanoseconds since 1970.
struct FileTime {
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
    friend auto operator<=>(const FileTime&, const FileTime&) = default;
};

/// What RUN steps and layers see where SOURCE_DATE_EPOCH says nothing: 1980-01-02T00:00:00Z, the first day
/// that a zip archive can hold in every time zone.
inline constexpr FileTime default_file_time{315619200, 0};

struct Entry {
    EntryKind kind = EntryKind::file;
    std::uint16_t mode = 0644;  ///< permission bits, 0 to 07777; symlinks have 0777
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint64_t size = 0;  ///< bytes; files only, else 0
    FileTime mtime;
    Digest content;                  ///< SHA-256 of the bytes; files only, else zero
    std::string link_target;         ///< symlinks only; bytes as they are
    std::uint32_t device_major = 0;  ///< devices only
    std::uint32_t device_minor = 0;
    std::shared_ptr<const Xattrs> xattrs;  ///< null when there are none

    bool is_directory() const noexcept { return kind == EntryKind::directory; }
    bool is_file() const noexcept { return kind == EntryKind::file; }
    friend bool operator==(const Entry& a, const Entry& b) noexcept;
};

/// The directory that stands where an entry lies below one that nobody made: 0755, root, default_file_time.
Entry implied_directory();

/// True for the attributes that trees hold: security.capability and user.*, less the names that overlay file
/// systems and rootless tools keep their own notes under. The rest belongs to the machine and not to an image.
bool keeps_xattr(std::string_view name) noexcept;

/// None at all and an empty list are the same.
bool same_xattrs(const std::shared_ptr<const Xattrs>& a, const std::shared_ptr<const Xattrs>& b) noexcept;
/// Equal in everything but the time.
bool same_but_time(const Entry& a, const Entry& b) noexcept;

/// docs/formats/tree.md, "entry". Leaving out the time gives what a ContentId covers.
void encode_entry(WireWriter& out, const Entry& entry, bool with_time);
/// The time alone: encode_entry with time is encode_entry without, and this.
void encode_time(WireWriter& out, FileTime time);
/// Throws Error{corrupt}: a kind, mode or field that does not exist is refused.
Entry decode_entry(WireReader& in);

}  // namespace imgbuild::layerstore
