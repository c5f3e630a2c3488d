// SPDX-License-Identifier: Apache-2.0
// zip (APPNOTE 6.3): its central directory, in the order in which it lists the entries.
#include <fmt/format.h>

#include <map>
#include <optional>

#include "base/text.h"
#include "builder/compare/detail/findings.h"
#include "builder/compare/detail/unpacking.h"

namespace imgbuild::builder::detail {
namespace {

constexpr std::uint32_t entry_signature = 0x02014b50;
constexpr std::string_view end_signature("PK\x05\x06", 4);
constexpr std::uint16_t stored = 0, deflated = 8;
constexpr std::size_t max_zip_entries = 65'535;

struct ZipEntry {
    std::string name;
    std::uint16_t method = 0;
    std::uint32_t crc = 0;
    std::uint32_t size = 0;
    std::string time;
    std::string attributes;
    std::string_view packed;
};

std::string dos_time(std::uint64_t time, std::uint64_t date) {
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", 1980 + (date >> 9), date >> 5 & 15, date & 31, time >> 11,
                       time >> 5 & 63, (time & 31) * 2);
}

// Extra fields with times (0x5455 seconds since 1970, 0x000a of NTFS), and everything else.
void read_extra(std::string_view extra, ZipEntry& entry) {
    constexpr std::uint64_t unix_times = 0x5455, ntfs_times = 0x000a;
    for (std::size_t at = 0; holds(extra, at, 4);) {
        const std::uint64_t id = read_little(extra, at, 2);
        const std::uint64_t size = read_little(extra, at + 2, 2);
        if (!holds(extra, at + 4, size)) return;
        const std::string_view data = extra.substr(at + 4, size);
        if (id == unix_times && size >= 5)
            entry.time += " " + rfc3339(static_cast<std::int64_t>(read_little(data, 1, 4)));
        else if (id == unix_times || id == ntfs_times)
            entry.time += " " + hex_of(data);
        else
            entry.attributes += fmt::format(" {:04x}={}", id, hex_of(data));
        at += 4 + size;
    }
}

// The packed bytes stand behind a header of their own.
std::string_view packed_at(std::string_view bytes, std::uint64_t offset, std::uint64_t size) {
    constexpr std::size_t fixed = 30;
    if (!holds(bytes, offset, fixed)) return {};
    const std::uint64_t begin =
        offset + fixed + read_little(bytes, offset + 26, 2) + read_little(bytes, offset + 28, 2);
    return holds(bytes, begin, size) ? bytes.substr(begin, size) : std::string_view();
}

std::optional<std::vector<ZipEntry>> zip_entries(std::string_view bytes) {
    constexpr std::size_t fixed = 46, end_bytes = 22;
    const std::size_t end = bytes.rfind(end_signature);
    if (end == std::string_view::npos || !holds(bytes, end, end_bytes)) return std::nullopt;
    std::uint64_t at = read_little(bytes, end + 16, 4);
    std::vector<ZipEntry> entries;
    while (holds(bytes, at, fixed) && read_little(bytes, at, 4) == entry_signature) {
        const std::uint64_t name = read_little(bytes, at + 28, 2);
        const std::uint64_t extra = read_little(bytes, at + 30, 2);
        const std::uint64_t comment = read_little(bytes, at + 32, 2);
        if (!holds(bytes, at + fixed, name + extra + comment) || entries.size() == max_zip_entries) return std::nullopt;
        ZipEntry entry{.name = std::string(bytes.substr(at + fixed, name)),
                       .method = static_cast<std::uint16_t>(read_little(bytes, at + 10, 2)),
                       .crc = static_cast<std::uint32_t>(read_little(bytes, at + 16, 4)),
                       .size = static_cast<std::uint32_t>(read_little(bytes, at + 24, 4)),
                       .time = dos_time(read_little(bytes, at + 12, 2), read_little(bytes, at + 14, 2)),
                       .attributes = fmt::format("made by {:04x}, {:08x}", read_little(bytes, at + 4, 2),
                                                 read_little(bytes, at + 38, 4)),
                       .packed = packed_at(bytes, read_little(bytes, at + 42, 4), read_little(bytes, at + 20, 4))};
        read_extra(bytes.substr(at + fixed + name, extra), entry);
        entries.push_back(std::move(entry));
        at += fixed + name + extra + comment;
    }
    return entries.empty() ? std::nullopt : std::optional(std::move(entries));
}

// Bare deflate, dressed as the gzip member that our decompressor takes: the sums stand in the entry.
std::optional<std::string> zip_content(const ZipEntry& entry, Findings& findings) {
    if (entry.method == stored) return std::string(entry.packed);
    if (entry.method != deflated) return std::nullopt;
    std::string member("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
    member += entry.packed;
    for (const std::uint32_t word : {entry.crc, entry.size})
        for (int shift = 0; shift < 32; shift += 8) member += static_cast<char>(word >> shift & 0xff);
    return unpack(member, Compression::gzip, findings);
}

const ZipEntry* zip_entry_called(const std::vector<ZipEntry>& entries,
                                 const std::map<std::string_view, std::size_t>& places, const std::string& name) {
    const auto found = places.find(name);
    return found == places.end() ? nullptr : &entries[found->second];
}

void compare_zip_content(const ZipEntry& before, const ZipEntry& after, Findings& findings) {
    const std::string place = "member " + printable(after.name);
    if (before.crc == after.crc && before.size == after.size) {
        if (before.packed != after.packed || before.method != after.method)
            findings.add(DifferenceKind::compression, place, fmt::format("{} bytes", before.packed.size()),
                         fmt::format("{} bytes", after.packed.size()));
        return;
    }
    const std::optional<std::string> first = zip_content(before, findings);
    const std::optional<std::string> second = first ? zip_content(after, findings) : std::nullopt;
    if (!first || !second)
        return findings.add(DifferenceKind::content, place, fmt::format("crc {:08x}", before.crc),
                            fmt::format("crc {:08x}", after.crc));
    const Findings::Scope scope(findings, place);
    compare_inside({*first, *second}, findings);
}

std::vector<Member> heads_of(const std::vector<ZipEntry>& entries) {
    std::vector<Member> members;
    for (const ZipEntry& entry : entries)
        members.push_back({.name = entry.name, .time = 0, .attributes = entry.attributes, .data = {}});
    return members;
}

}  // namespace

bool compare_zip(const Pair& pair, Findings& findings) {
    const auto before = zip_entries(pair.before);
    const auto after = zip_entries(pair.after);
    if (!before || !after) return false;
    compare_members(heads_of(*before), heads_of(*after),
                    {DifferenceKind::zip_time, DifferenceKind::zip_attributes, DifferenceKind::zip_order}, findings);
    std::map<std::string_view, std::size_t> places;
    for (std::size_t i = 0; i < before->size(); ++i) places.try_emplace((*before)[i].name, i);
    for (const ZipEntry& entry : *after) {
        // Entries of a hostile archive may all be the same bytes.
        if (!findings.spend(entry.packed.size())) return true;
        const ZipEntry* other = zip_entry_called(*before, places, entry.name);
        if (!other) continue;
        if (other->time != entry.time)
            findings.add(DifferenceKind::zip_time, "member " + printable(entry.name), other->time, entry.time);
        compare_zip_content(*other, entry, findings);
    }
    return true;
}

}  // namespace imgbuild::builder::detail
