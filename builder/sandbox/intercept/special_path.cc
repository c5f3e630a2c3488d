// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/intercept/special_path.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace imgbuild::builder {
namespace {

using Kind = SpecialPath::Kind;

constexpr std::array device_names{std::pair("/dev/fd", "fd"), std::pair("/dev/stdin", "fd/0"),
                                  std::pair("/dev/stdout", "fd/1"), std::pair("/dev/stderr", "fd/2")};

// Below /proc: what is the same for all and stands there as a file, and what says too much of the host. Neither is
// asked of the real one.
constexpr std::array answered_by_files{"self/mounts", "self/mountinfo", "self/mountstats", "self/cgroup", "mounts"};
constexpr std::array hidden_in_proc{"acpi",        "asound",     "interrupts",    "kcore",
                                    "keys",        "kmsg",       "latency_stats", "scsi",
                                    "sched_debug", "timer_list", "timer_stats",   "sysrq-trigger"};
constexpr std::array hidden_in_sys{"firmware", "devices/virtual/powercap", "fs/cgroup"};

template <class Names>
bool is_among(std::string_view path, const Names& names) {
    return std::ranges::any_of(names, [&](std::string_view name) {
        return path == name || (path.starts_with(name) && path.substr(name.size()).starts_with('/'));
    });
}

// What lies below `folder`; empty when `path` does not.
std::string_view below(std::string_view path, std::string_view folder) {
    if (!path.starts_with(folder)) return {};
    path.remove_prefix(folder.size());
    return path.starts_with('/') ? path.substr(1) : std::string_view();
}

SpecialPath in_proc(std::string_view rest) {
    if (is_among(rest, answered_by_files) || is_among(rest, hidden_in_proc)) return {};
    if (rest == "net" || rest.starts_with("net/")) return {Kind::task, "self", std::string(rest)};
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view first = rest.substr(0, slash);
    if (first != "self" && first != "thread-self" && !parse_unsigned(first))
        return {Kind::machine, {}, std::string(rest)};
    return {Kind::task, std::string(first), std::string(rest.substr(std::min(slash + 1, rest.size())))};
}

}  // namespace

SpecialPath special_path(const ImagePath& path, bool follows_last) {
    const std::string_view text = path.bytes();
    if (const std::string_view rest = below(text, "/proc"); !rest.empty()) return in_proc(rest);
    if (text == "/proc") return {Kind::processes, {}, {}};
    if (text == "/sys") return {Kind::system, {}, "."};
    if (const std::string_view rest = below(text, "/sys"); !rest.empty())
        return is_among(rest, hidden_in_sys) ? SpecialPath{} : SpecialPath{Kind::system, {}, std::string(rest)};
    for (const auto& [name, target] : device_names) {
        if (text == name) return follows_last ? SpecialPath{Kind::task, "self", target} : SpecialPath{};
        if (const std::string_view rest = below(text, name); !rest.empty())
            return {Kind::task, "self", std::string(target) + "/" + std::string(rest)};
    }
    if (text == "/dev/ptmx" || !below(text, "/dev/pts").empty())
        return {Kind::terminal, {}, std::string(text.substr(5))};
    return {};
}

}  // namespace imgbuild::builder
