// SPDX-License-Identifier: Apache-2.0
// ar (static libraries, .deb) and tar, and what all archives have in common.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "builder/compare/detail/findings.h"
#include "layerstore/layer/tar_reader.h"

namespace imgbuild::builder::detail {
namespace {

constexpr std::size_t max_members = 100'000;

std::string_view trimmed_field(std::string_view field) {
    const std::size_t end = field.find_last_not_of(' ');
    return end == std::string_view::npos ? std::string_view() : field.substr(0, end + 1);
}

std::uint64_t decimal_field(std::string_view field) {
    std::uint64_t value = 0;
    std::from_chars(field.data(), field.data() + field.size(), value);
    return value;
}

// GNU ar keeps names of 16 bytes and more in a member "//", and says "/OFFSET" in their place.
std::string ar_name(std::string_view field, std::string_view long_names) {
    const std::string_view name = trimmed_field(field);
    if (name.size() > 1 && name[0] == '/' && name[1] >= '0' && name[1] <= '9') {
        const std::uint64_t offset = decimal_field(name.substr(1));
        if (offset < long_names.size()) {
            const std::string_view rest = long_names.substr(offset);
            return std::string(rest.substr(0, rest.find_first_of("/\n")));
        }
    }
    return std::string(name.size() > 1 && name.ends_with('/') && name != "//" ? name.substr(0, name.size() - 1) : name);
}

std::optional<std::vector<Member>> ar_members(std::string_view bytes) {
    constexpr std::size_t magic = 8, header = 60;
    std::vector<Member> members;
    std::string_view long_names;
    for (std::size_t at = magic; holds(bytes, at, header);) {
        const std::string_view head = bytes.substr(at, header);
        const std::uint64_t size = decimal_field(head.substr(48, 10));
        if (head.substr(58) != "`\n" || !holds(bytes, at + header, size) || members.size() == max_members)
            return std::nullopt;
        const std::string_view data = bytes.substr(at + header, size);
        if (head.starts_with("// ")) long_names = data;
        members.push_back(
            {.name = ar_name(head.substr(0, 16), long_names),
             .time = static_cast<std::int64_t>(decimal_field(head.substr(16, 12))),
             .attributes = fmt::format("{}:{} {}", trimmed_field(head.substr(28, 6)), trimmed_field(head.substr(34, 6)),
                                       trimmed_field(head.substr(40, 8))),
             .data = data});
        at += header + size + size % 2;
    }
    return members;
}

// Members with the data that they view: what a tar holds is copied, holes and all.
struct TarMembers {
    std::vector<Member> members;
    std::vector<std::unique_ptr<std::string>> data;
};

std::optional<TarMembers> tar_members(std::string_view bytes, Findings& findings) {
    try {
        MemoryReader source(bytes);
        layerstore::TarLimits limits;
        limits.max_entries = max_members;
        limits.max_file_bytes = findings.budget();
        layerstore::TarReader reader(source, "file", limits);
        TarMembers result;
        while (const std::optional<layerstore::TarEntry> entry = reader.next()) {
            auto data = std::make_unique<std::string>();
            std::array<std::byte, 16 * 1024> block;
            while (const std::size_t count = reader.read(block)) {
                if (!findings.spend(count)) return std::nullopt;
                data->append(as_text(std::span(block).first(count)));
            }
            if (entry->is_hard_link) *data = entry->link_name;
            if (entry->entry.kind == layerstore::EntryKind::symlink) *data = entry->entry.link_target;
            result.members.push_back(
                {.name = entry->name,
                 .time = entry->entry.mtime.seconds,
                 .attributes = fmt::format("{}:{} {:04o}", entry->entry.uid, entry->entry.gid, entry->entry.mode),
                 .data = *data});
            result.data.push_back(std::move(data));
        }
        return result;
    } catch (const Error&) {
        return std::nullopt;
    }
}

std::string member_place(const Member& member) { return "member " + printable(member.name); }

void compare_member(const Member& before, const Member& after, const MemberKinds& kinds, Findings& findings) {
    if (before.time != after.time)
        findings.add(kinds.time, member_place(after), rfc3339(before.time), rfc3339(after.time));
    if (before.attributes != after.attributes)
        findings.add(kinds.attributes, member_place(after), before.attributes, after.attributes);
    if (before.data == after.data) return;
    const Findings::Scope scope(findings, member_place(after));
    compare_inside({before.data, after.data}, findings);
}

}  // namespace

void compare_members(const std::vector<Member>& before, const std::vector<Member>& after, const MemberKinds& kinds,
                     Findings& findings) {
    // A name may stand there more than once: the first with the first.
    std::map<std::pair<std::string_view, std::size_t>, const Member*> others;
    std::map<std::string_view, std::size_t> seen;
    for (const Member& member : before)
        others.emplace(std::pair(std::string_view(member.name), seen[member.name]++), &member);
    seen.clear();
    std::size_t met = 0;
    bool is_in_order = true;
    for (std::size_t i = 0; i < after.size(); ++i) {
        const Member& member = after[i];
        const auto other = others.find({member.name, seen[member.name]++});
        if (other == others.end()) {
            findings.add(DifferenceKind::content, member_place(member), "", "there");
            continue;
        }
        ++met;
        is_in_order = is_in_order && i < before.size() && before[i].name == member.name;
        compare_member(*other->second, member, kinds, findings);
        others.erase(other);
    }
    for (const auto& [name, member] : others) findings.add(DifferenceKind::content, member_place(*member), "there", "");
    if (is_in_order || met != after.size() || met != before.size()) return;
    const auto ends = std::ranges::mismatch(before, after, {}, &Member::name, &Member::name);
    if (ends.in1 != before.end() && ends.in2 != after.end())
        findings.add(kinds.order, fmt::format("member {}", ends.in1 - before.begin() + 1), ends.in1->name,
                     ends.in2->name);
}

bool compare_ar(const Pair& pair, Findings& findings) {
    const auto before = ar_members(pair.before);
    const auto after = ar_members(pair.after);
    if (!before || !after) return false;
    compare_members(*before, *after, {DifferenceKind::ar_time, DifferenceKind::ar_owner, DifferenceKind::ar_order},
                    findings);
    return true;
}

bool compare_tar(const Pair& pair, Findings& findings) {
    const auto before = tar_members(pair.before, findings);
    const auto after = before ? tar_members(pair.after, findings) : std::nullopt;
    if (!before || !after) return false;
    compare_members(before->members, after->members,
                    {DifferenceKind::tar_time, DifferenceKind::tar_owner, DifferenceKind::tar_order}, findings);
    return true;
}

}  // namespace imgbuild::builder::detail
