// SPDX-License-Identifier: Apache-2.0
#pragma once

// What stat is to say of a file in the spelling `single`, where every file belongs to the one id that there is: owner,
// and what a device is. It lies on the inode, so that it goes where the file goes: renamed, linked, copied up by an
// overlay (docs/formats/snapshot.md, "Records").

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "layerstore/tree/entry.h"

namespace imgbuild::layerstore {

/// The attribute of regular files and directories. Programs of an image never see it, and no tree holds it
/// (keeps_xattr()).
inline constexpr const char* record_attribute = "user.imgbuild.status";
/// The one of everything else: user attributes are for files and directories only, and on what can never be executed
/// these 128 bits mean nothing to the kernel.
inline constexpr const char* special_record_attribute = "security.capability";

struct DeviceRecord {
    EntryKind kind = EntryKind::character_device;
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    friend bool operator==(const DeviceRecord&, const DeviceRecord&) = default;
};

/// Without a record a file is root's, and itself.
struct StatusRecord {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::optional<DeviceRecord> device;  ///< what an empty regular file stands for
    bool is_needed() const noexcept { return uid != 0 || gid != 0 || device; }
    friend bool operator==(const StatusRecord&, const StatusRecord&) = default;
};

/// "UID:GID", "UID:GID:c:MAJOR:MINOR", "UID:GID:b:MAJOR:MINOR". Empty for what is none. Pure.
std::string record_text(const StatusRecord& record);
std::optional<StatusRecord> parse_record(std::string_view text) noexcept;

/// Whether a link in the last component is the file that is meant; a name in /proc/self/fd is no such link.
enum class LastLink : std::uint8_t { followed, meant };

/// The record of the file of type `mode` (as stat(2) has it) at `path`, if it has one.
std::optional<StatusRecord> read_record(const std::string& path, mode_t mode, LastLink link) noexcept;
/// Sets it, or takes it away where none is needed. False with errno where that cannot be done.
bool write_record(const std::string& path, mode_t mode, LastLink link, const StatusRecord& record);

/// A path for an open descriptor, and for a name in an open directory, in the /proc of this process.
std::string path_of_descriptor(int fd);
std::string path_below(int directory, std::string_view name);

}  // namespace imgbuild::layerstore
