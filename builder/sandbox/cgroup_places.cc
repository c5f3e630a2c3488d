// SPDX-License-Identifier: Apache-2.0
// Where the control groups of this process lie.
#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "builder/sandbox/cgroup.h"

namespace imgbuild::builder {
namespace {

constexpr std::uint64_t table_bytes = 16 << 20;

// "A path" of /proc/self/mountinfo writes a blank as \040, and so on.
std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
        if (text[i] == '\\' && i + 3 < text.size() && std::ranges::all_of(text.substr(i + 1, 3), is_octal)) {
            out.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
            i += 3;
        } else {
            out.push_back(text[i]);
        }
    }
    return out;
}

// A line of /proc/self/cgroup, "ID:CONTROLLERS:PATH": those of version 2 have no controllers.
std::string own_path(std::string_view own_groups, const std::vector<std::string>& controllers) {
    for (const std::string_view line : split(own_groups, '\n')) {
        const std::size_t first = line.find(':');
        const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
        if (second == std::string_view::npos) continue;
        const std::string_view names = line.substr(first + 1, second - first - 1);
        const bool fits =
            controllers.empty() ? names.empty() : std::ranges::any_of(split(names, ','), [&](std::string_view name) {
                return name == controllers.front();
            });
        if (fits) return std::string(line.substr(second + 1));
    }
    return {};
}

// The path as seen through a mount that shows `root` of the hierarchy.
std::string below_root(std::string path, const std::string& root) {
    if (root != "/") path = path == root || path.starts_with(root + "/") ? path.substr(root.size()) : "";
    // A process that came into the namespace from outside is above its root.
    if (path == "/" || path.starts_with("/..")) return {};
    return path;
}

constexpr std::array<std::string_view, 4> known_controllers{"memory", "cpu", "cpuset", "pids"};

}  // namespace

std::vector<CgroupHierarchy> cgroup_hierarchies(std::string_view mount_table, std::string_view own_groups) {
    constexpr std::size_t root_field = 3, place_field = 4, fields_before = 6;
    std::vector<CgroupHierarchy> hierarchies;
    for (const std::string_view line : split(mount_table, '\n')) {
        const std::size_t dash = line.find(" - ");
        if (dash == std::string_view::npos) continue;
        const auto fields = split(line.substr(0, dash), ' ');
        const auto rest = split(line.substr(dash + 3), ' ');
        if (fields.size() < fields_before || rest.size() < 3) continue;
        CgroupHierarchy found{.unified = rest[0] == "cgroup2", .mount_point = unescaped(fields[place_field])};
        if (!found.unified && rest[0] != "cgroup") continue;
        if (!found.unified)
            for (const std::string_view option : split(rest[2], ','))
                if (std::ranges::find(known_controllers, option) != known_controllers.end())
                    found.controllers.emplace_back(option);
        if (!found.unified && found.controllers.empty()) continue;
        found.own =
            found.mount_point + below_root(own_path(own_groups, found.controllers), unescaped(fields[root_field]));
        const auto is_again = [&](const CgroupHierarchy& other) {
            return other.unified == found.unified && other.controllers == found.controllers;
        };
        if (std::ranges::none_of(hierarchies, is_again)) hierarchies.push_back(std::move(found));
    }
    return hierarchies;
}

std::vector<CgroupHierarchy> own_cgroup_hierarchies() {
    try {
        const Directory self = Directory::open_host("/proc/self");
        return cgroup_hierarchies(self.read_file(ImagePath().child("mountinfo"), table_bytes),
                                  self.read_file(ImagePath().child("cgroup"), table_bytes));
    } catch (const Error&) {
        return {};  // without /proc nobody can tell
    }
}

std::vector<std::string> directories_above(const CgroupHierarchy& hierarchy) {
    std::vector<std::string> directories;
    for (std::string path = hierarchy.own; path.size() >= hierarchy.mount_point.size(); path.resize(path.rfind('/'))) {
        directories.push_back(path);
        if (path == hierarchy.mount_point) break;
    }
    return directories;
}

}  // namespace imgbuild::builder
