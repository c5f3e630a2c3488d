// SPDX-License-Identifier: Apache-2.0
#include "builder/edit/accounts.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

constexpr std::uint64_t largest_id = 4294967294;  // one below the id that means "leave it" to chown(2)

/// "user[:group]" taken apart; no group is another thing than an empty one, which is group 0.
struct OwnerText {
    std::string_view user;
    std::optional<std::string_view> group;
};

OwnerText take_apart(std::string_view text) noexcept {
    std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return {text, std::nullopt};
    return {text.substr(0, colon), text.substr(colon + 1)};
}

bool is_number(std::string_view text) noexcept {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_root(std::string_view text) noexcept { return text.empty() || text == "root"; }

bool needs_files(std::string_view part) noexcept { return !is_number(part) && !is_root(part); }

std::optional<std::uint32_t> parse_id(std::string_view text) noexcept {
    std::optional<std::uint64_t> id = parse_unsigned(text);
    return id && *id <= largest_id ? std::optional(static_cast<std::uint32_t>(*id)) : std::nullopt;
}

std::uint32_t require_id(std::string_view text) {
    if (auto id = parse_id(text)) return *id;
    throw Error(ErrorKind::usage, fmt::format("invalid id {}", text), fmt::format("ids go from 0 to {}", largest_id));
}

struct PasswdLine {
    std::string_view name;
    Owner owner;
    std::string_view home;
};

struct GroupLine {
    std::string_view name;
    std::uint32_t gid = 0;
    std::string_view members;
};

/// Lines that do not follow the format are left out, as the C library leaves them out.
std::vector<PasswdLine> read_passwd(const AccountFiles& files) {
    std::vector<PasswdLine> lines;
    for (std::string_view line : split(files.passwd, '\n')) {
        std::vector<std::string_view> fields = split(line, ':');
        if (fields.size() < 4 || fields[0].empty()) continue;
        auto uid = parse_id(fields[2]);
        auto gid = parse_id(fields[3]);
        if (uid && gid) lines.push_back({fields[0], {*uid, *gid}, fields.size() > 5 ? fields[5] : std::string_view()});
    }
    return lines;
}

std::vector<GroupLine> read_group(const AccountFiles& files) {
    std::vector<GroupLine> lines;
    for (std::string_view line : split(files.group, '\n')) {
        std::vector<std::string_view> fields = split(line, ':');
        if (fields.size() < 3 || fields[0].empty()) continue;
        if (auto gid = parse_id(fields[2]))
            lines.push_back({fields[0], *gid, fields.size() > 3 ? fields[3] : std::string_view()});
    }
    return lines;
}

/// The first line of that name, which is the one that counts.
template <class Line>
const Line& require_name(const std::vector<Line>& lines, std::string_view name, std::string_view what,
                         std::string_view file) {
    auto found = std::ranges::find(lines, name, &Line::name);
    if (found != lines.end()) return *found;
    std::vector<std::string_view> names;
    for (const Line& line : lines) names.push_back(line.name);
    std::optional<std::string> near = nearest(name, names);
    throw Error(ErrorKind::usage, fmt::format("{} {} is not in the image's {}", what, printable(name), file),
                near ? fmt::format("did you mean {}?", printable(*near))
                     : "add it in a step before this one, or write its number");
}

std::uint32_t find_group(std::string_view text, const AccountFiles& files) {
    if (is_root(text)) return 0;
    if (is_number(text)) return require_id(text);
    return require_name(read_group(files), text, "group", "/etc/group").gid;
}

std::vector<std::uint32_t> groups_of(std::string_view user, const AccountFiles& files) {
    std::vector<std::uint32_t> groups;
    for (const GroupLine& line : read_group(files)) {
        std::vector<std::string_view> members = split(line.members, ',');
        if (std::ranges::find(members, user) != members.end()) groups.push_back(line.gid);
    }
    std::ranges::sort(groups);
    groups.erase(std::ranges::unique(groups).begin(), groups.end());
    return groups;
}

}  // namespace

bool needs_account_files(std::string_view text) noexcept {
    OwnerText parts = take_apart(text);
    return needs_files(parts.user) || (parts.group && needs_files(*parts.group));
}

Owner find_owner(std::string_view text, const AccountFiles& files) {
    OwnerText parts = take_apart(text);
    Owner owner;
    if (is_number(parts.user)) {
        owner.uid = require_id(parts.user);
        owner.gid = owner.uid;
    } else if (!is_root(parts.user)) {
        owner = require_name(read_passwd(files), parts.user, "user", "/etc/passwd").owner;
    }
    if (parts.group) owner.gid = find_group(*parts.group, files);
    return owner;
}

Account find_account(std::string_view text, const AccountFiles& files) {
    OwnerText parts = take_apart(text);
    Account account;
    account.owner = find_owner(text, files);
    if (is_number(parts.user) && !parts.group) account.owner.gid = 0;

    std::vector<PasswdLine> lines = read_passwd(files);
    // A name stands for its own line, not for another one of the same number.
    auto line = needs_files(parts.user) ? std::ranges::find(lines, parts.user, &PasswdLine::name)
                                        : std::ranges::find(lines, account.owner.uid,
                                                            [](const PasswdLine& each) { return each.owner.uid; });
    account.home = "/";
    if (line == lines.end()) return account;
    if (line->home.starts_with('/')) account.home = line->home;
    // Who names a group gets that one alone.
    if (parts.group) return account;
    if (is_number(parts.user)) account.owner.gid = line->owner.gid;
    account.groups = groups_of(line->name, files);
    return account;
}

}  // namespace imgbuild::builder
