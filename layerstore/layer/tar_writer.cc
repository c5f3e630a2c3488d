// SPDX-License-Identifier: Apache-2.0
#include "layerstore/layer/tar_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::layerstore {
namespace {

constexpr std::size_t name_field = 100;
constexpr std::uint64_t largest_octal_id = 07777777;
constexpr std::uint64_t largest_size = 077777777777;

using PaxRecords = std::map<std::string, std::string>;

struct Fields {
    std::string name;
    char type = '0';
    std::string link;
    const Entry* entry = nullptr;
    std::uint64_t size = 0;
};

// All of the field but its last byte, with zeros in front. By hand: there are nine for each file of a layer.
void put_octal(std::string& block, std::size_t offset, std::size_t width, std::uint64_t value) {
    for (std::size_t i = width - 1; i-- > 0; value >>= 3) block[offset + i] = static_cast<char>('0' + (value & 7));
}

void put_text(std::string& block, std::size_t offset, std::string_view text) {
    block.replace(offset, text.size(), text);
}

// One ustar block; what does not fit was moved to pax records before and is zero or cut here.
std::string ustar_block(const Fields& fields) {
    const Entry& entry = *fields.entry;
    std::string block(tar_block, '\0');
    auto fitting = [](std::uint64_t value, std::uint64_t largest) { return value <= largest ? value : 0; };
    put_text(block, 0, std::string_view(fields.name).substr(0, name_field));
    put_octal(block, 100, 8, entry.mode);
    put_octal(block, 108, 8, fitting(entry.uid, largest_octal_id));
    put_octal(block, 116, 8, fitting(entry.gid, largest_octal_id));
    put_octal(block, 124, 12, fitting(fields.size, largest_size));
    put_octal(block, 136, 12,
              entry.mtime.seconds < 0 ? 0 : fitting(static_cast<std::uint64_t>(entry.mtime.seconds), largest_size));
    block[156] = fields.type;
    put_text(block, 157, std::string_view(fields.link).substr(0, name_field));
    put_text(block, 257, std::string_view("ustar\00000", 8));
    put_octal(block, 329, 8, entry.device_major);
    put_octal(block, 337, 8, entry.device_minor);
    put_text(block, 148, "        ");
    unsigned sum = 0;
    for (char c : block) sum += static_cast<unsigned char>(c);
    put_octal(block, 148, 7, sum);
    block[154] = '\0';
    return block;
}

// A record's length counts its own digits.
std::string pax_record(std::string_view key, std::string_view value) {
    std::size_t rest = key.size() + value.size() + 3;
    std::size_t length = rest + 1;
    while (rest + std::to_string(length).size() != length) length = rest + std::to_string(length).size();
    return fmt::format("{} {}={}\n", length, key, value);
}

std::string pax_time(const FileTime& time) {
    if (time.nanoseconds == 0) return std::to_string(time.seconds);
    // A negative time counts its fraction towards the past: -1 s and 0.25 s is -0.75.
    bool negative = time.seconds < 0;
    std::int64_t whole = negative ? -(time.seconds + 1) : time.seconds;
    std::uint32_t fraction = negative ? 1'000'000'000 - time.nanoseconds : time.nanoseconds;
    std::string digits = fmt::format("{:09}", fraction);
    digits.erase(digits.find_last_not_of('0') + 1);
    return fmt::format("{}{}.{}", negative ? "-" : "", whole, digits);
}

PaxRecords pax_records(const Fields& fields) {
    const Entry& entry = *fields.entry;
    PaxRecords records;
    if (fields.name.size() > name_field) records["path"] = fields.name;
    if (fields.link.size() > name_field) records["linkpath"] = fields.link;
    if (entry.uid > largest_octal_id) records["uid"] = std::to_string(entry.uid);
    if (entry.gid > largest_octal_id) records["gid"] = std::to_string(entry.gid);
    if (fields.size > largest_size) records["size"] = std::to_string(fields.size);
    bool plain_time = entry.mtime.nanoseconds == 0 && entry.mtime.seconds >= 0 &&
                      static_cast<std::uint64_t>(entry.mtime.seconds) <= largest_size;
    if (!plain_time) records["mtime"] = pax_time(entry.mtime);
    if (entry.xattrs)
        for (const auto& [name, value] : *entry.xattrs) records["SCHILY.xattr." + name] = value;
    return records;
}

std::string header(const Fields& fields) {
    if (fields.entry->device_major > largest_octal_id || fields.entry->device_minor > largest_octal_id)
        throw Error(ErrorKind::unsupported,
                    fmt::format("pack: {}: a device number exceeds what tar holds", printable(fields.name)));
    std::string out;
    PaxRecords records = pax_records(fields);
    if (!records.empty()) {
        std::string body;
        for (const auto& [key, value] : records) body += pax_record(key, value);
        Entry plain;
        plain.mtime = {};
        out += ustar_block({"PaxHeaders/entry", 'x', {}, &plain, body.size()});
        out += body;
        out.append(tar_padding(body.size()), '\0');
    }
    return out + ustar_block(fields);
}

char type_of(EntryKind kind) {
    switch (kind) {
        case EntryKind::file: return '0';
        case EntryKind::symlink: return '2';
        case EntryKind::character_device: return '3';
        case EntryKind::block_device: return '4';
        case EntryKind::directory: return '5';
        case EntryKind::fifo: return '6';
    }
    return '0';
}

std::string marker(std::string name) {
    Entry plain;
    return header({std::move(name), '0', {}, &plain, 0});
}

std::string prefix_of(const ImagePath& directory) {
    return directory.is_root() ? std::string() : std::string(directory.relative()) + "/";
}

}  // namespace

std::string tar_header(const ImagePath& path, const Entry& entry) {
    std::string name = path.is_root() ? "./" : std::string(path.relative());
    if (entry.is_directory() && !path.is_root()) name += '/';
    std::string link = entry.kind == EntryKind::symlink ? entry.link_target : std::string();
    return header({std::move(name), type_of(entry.kind), std::move(link), &entry, entry.is_file() ? entry.size : 0});
}

std::string tar_link_header(const ImagePath& path, const Entry& entry, const ImagePath& target) {
    return header({std::string(path.relative()), '1', std::string(target.relative()), &entry, 0});
}

std::string tar_whiteout(const ImagePath& path) {
    return marker(prefix_of(path.parent()) + std::string(whiteout_prefix) + std::string(path.name()));
}
std::string tar_opaque_marker(const ImagePath& directory) {
    return marker(prefix_of(directory) + std::string(opaque_marker_name));
}

std::optional<std::string> whiteout_target(std::string_view tar_name) {
    const std::size_t begin = tar_name.rfind('/') + 1;  // 0 where there is none
    const std::string_view name = tar_name.substr(begin);
    if (!name.starts_with(whiteout_prefix) || name == opaque_marker_name) return std::nullopt;
    return std::string(tar_name.substr(0, begin)) + std::string(name.substr(whiteout_prefix.size()));
}

std::string_view tar_end() noexcept {
    static const std::string end(2 * tar_block, '\0');
    return end;
}

}  // namespace imgbuild::layerstore
