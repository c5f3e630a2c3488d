// SPDX-License-Identifier: Apache-2.0
#include "builder/compare/detail/entry_findings.h"

#include <fmt/format.h>

#include "base/text.h"

namespace imgbuild::builder::detail {
namespace {

using layerstore::Entry;
using layerstore::EntryKind;

std::string_view word_of(EntryKind kind) {
    switch (kind) {
        case EntryKind::directory: return "directory";
        case EntryKind::file: return "file";
        case EntryKind::symlink: return "symbolic link";
        case EntryKind::fifo: return "fifo";
        case EntryKind::character_device: return "character device";
        case EntryKind::block_device: return "block device";
    }
    return {};
}

std::string describe_state(const EntryState& state) {
    switch (state.presence) {
        case EntryState::Presence::untouched: return "as in the layers below";
        case EntryState::Presence::absent: return "absent";
        case EntryState::Presence::present: break;
    }
    if (!state.entry.is_file()) return std::string(word_of(state.entry.kind));
    return fmt::format("file, {}", human_size(state.entry.size));
}

std::string describe_time(layerstore::FileTime time) {
    return time.nanoseconds == 0 ? rfc3339(time.seconds)
                                 : fmt::format("{} + {} ns", rfc3339(time.seconds), time.nanoseconds);
}

std::string describe_xattrs(const Entry& entry) {
    std::vector<std::string> list;
    if (entry.xattrs)
        for (const auto& [name, value] : *entry.xattrs)
            list.push_back(fmt::format("{}={}", printable(name), printable(value.substr(0, 64))));
    return list.empty() ? "none" : join(list, ", ");
}

}  // namespace

std::vector<Finding> entry_findings(const FileDifference& difference, bool with_times) {
    std::vector<Finding> list;
    if (!difference.before.is_present() || !difference.after.is_present()) {
        if (difference.before.presence != difference.after.presence)
            list.push_back(
                {DifferenceKind::presence, "", describe_state(difference.before), describe_state(difference.after)});
        return list;
    }
    const Entry& a = difference.before.entry;
    const Entry& b = difference.after.entry;
    const auto say = [&](DifferenceKind kind, std::string before, std::string after) {
        if (before != after) list.push_back({kind, "", std::move(before), std::move(after)});
    };
    say(DifferenceKind::type, std::string(word_of(a.kind)), std::string(word_of(b.kind)));
    if (a.kind != EntryKind::symlink && b.kind != EntryKind::symlink)
        say(DifferenceKind::mode, fmt::format("{:04o}", a.mode), fmt::format("{:04o}", b.mode));
    say(DifferenceKind::owner, fmt::format("{}:{}", a.uid, a.gid), fmt::format("{}:{}", b.uid, b.gid));
    if (a.kind == b.kind) {
        say(DifferenceKind::link_target, printable(a.link_target), printable(b.link_target));
        say(DifferenceKind::device, fmt::format("{}:{}", a.device_major, a.device_minor),
            fmt::format("{}:{}", b.device_major, b.device_minor));
    }
    if (!layerstore::same_xattrs(a.xattrs, b.xattrs))
        say(DifferenceKind::attributes, describe_xattrs(a), describe_xattrs(b));
    if (with_times) say(DifferenceKind::file_time, describe_time(a.mtime), describe_time(b.mtime));
    return list;
}

}  // namespace imgbuild::builder::detail
