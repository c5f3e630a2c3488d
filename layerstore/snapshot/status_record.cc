// SPDX-License-Identifier: Apache-2.0
#include "layerstore/snapshot/status_record.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <array>

#include "base/text.h"

namespace imgbuild::layerstore {
namespace {

constexpr std::size_t longest_record = 64;

// As linux/capability.h lays version 2 out, which the kernel turns into what the user namespace may set and back. Both
// ids are in the place of capabilities; the flag that makes them effective stays off.
struct SpecialRecord {
    std::uint32_t version = 0x02000000;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t reserved[2] = {};
};

bool holds_attributes(mode_t mode) noexcept { return S_ISREG(mode) || S_ISDIR(mode); }

ssize_t get(const std::string& path, const char* name, LastLink link, void* value, std::size_t size) noexcept {
    return link == LastLink::followed ? ::getxattr(path.c_str(), name, value, size)
                                      : ::lgetxattr(path.c_str(), name, value, size);
}

bool set(const std::string& path, const char* name, LastLink link, const void* value, std::size_t size) noexcept {
    return (link == LastLink::followed ? ::setxattr(path.c_str(), name, value, size, 0)
                                       : ::lsetxattr(path.c_str(), name, value, size, 0)) == 0;
}

bool take_away(const std::string& path, const char* name, LastLink link) noexcept {
    if (get(path, name, link, nullptr, 0) < 0) return true;
    return (link == LastLink::followed ? ::removexattr(path.c_str(), name) : ::lremovexattr(path.c_str(), name)) == 0;
}

}  // namespace

std::string record_text(const StatusRecord& record) {
    std::string text = fmt::format("{}:{}", record.uid, record.gid);
    if (record.device)
        text += fmt::format(":{}:{}:{}", record.device->kind == EntryKind::block_device ? 'b' : 'c',
                            record.device->major, record.device->minor);
    return text;
}

std::optional<StatusRecord> parse_record(std::string_view text) noexcept {
    constexpr std::size_t most_fields = 5;
    std::array<std::string_view, most_fields> fields;
    std::size_t count = 0;
    for (bool more = true; more; ++count) {
        if (count == most_fields) return std::nullopt;
        const std::size_t colon = text.find(':');
        fields[count] = text.substr(0, colon);
        more = colon != std::string_view::npos;
        if (more) text.remove_prefix(colon + 1);
    }
    const bool has_device = count == most_fields;
    if (count != 2 && !has_device) return std::nullopt;
    std::array<std::uint32_t, most_fields> numbers{};
    for (std::size_t i = 0; i < count; ++i) {
        if (i == 2) continue;
        const auto number = parse_unsigned(fields[i]);
        if (!number || *number > 0xffffffff) return std::nullopt;
        numbers[i] = static_cast<std::uint32_t>(*number);
    }
    StatusRecord record{numbers[0], numbers[1], std::nullopt};
    if (!has_device) return record;
    if (fields[2] != "c" && fields[2] != "b") return std::nullopt;
    record.device =
        DeviceRecord{fields[2] == "b" ? EntryKind::block_device : EntryKind::character_device, numbers[3], numbers[4]};
    return record;
}

std::optional<StatusRecord> read_record(const std::string& path, mode_t mode, LastLink link) noexcept {
    if (!holds_attributes(mode)) {
        SpecialRecord special;
        if (get(path, special_record_attribute, link, &special, sizeof special) != sizeof special) return std::nullopt;
        return StatusRecord{special.uid, special.gid, std::nullopt};
    }
    std::array<char, longest_record> text{};
    const ssize_t length = get(path, record_attribute, link, text.data(), text.size());
    if (length < 0) return std::nullopt;
    return parse_record({text.data(), static_cast<std::size_t>(length)});
}

bool write_record(const std::string& path, mode_t mode, LastLink link, const StatusRecord& record) {
    const char* name = holds_attributes(mode) ? record_attribute : special_record_attribute;
    if (!record.is_needed()) return take_away(path, name, link);
    if (!holds_attributes(mode)) {
        const SpecialRecord special{.uid = record.uid, .gid = record.gid};
        return set(path, name, link, &special, sizeof special);
    }
    const std::string text = record_text(record);
    return set(path, name, link, text.data(), text.size());
}

std::string path_of_descriptor(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

std::string path_below(int directory, std::string_view name) {
    return fmt::format("/proc/self/fd/{}/{}", directory, name);
}

}  // namespace imgbuild::layerstore
