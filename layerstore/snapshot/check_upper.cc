// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "layerstore/snapshot/overlay_codec.h"

namespace imgbuild::layerstore {
namespace {

// Times are left out: file systems round and clamp them.
std::string_view difference(const Change& found, const Change& expected) {
    if (found.kind != expected.kind || found.entry.kind != expected.entry.kind) return "is of another kind";
    if (found.kind == ChangeKind::remove) return {};
    const Entry& is = found.entry;
    const Entry& was = expected.entry;
    if (is.size != was.size) return "has another size";
    if (is.content != was.content) return "has another content";
    if (is.link_target != was.link_target) return "leads to another place";
    if (is.mode != was.mode) return "has another mode";
    if (is.uid != was.uid || is.gid != was.gid) return "belongs to another user or group";
    return same_but_time(is, was) ? "" : "has other attributes";
}

}  // namespace

std::vector<std::string> check_upper(const Directory& upper, const TreeDelta& delta, OverlaySpelling spelling) {
    std::vector<std::string> faults;
    auto report = [&](const ImagePath& path, std::string_view what) {
        faults.push_back(path.absolute() + " " + std::string(what));
    };
    TreeDelta read;
    try {
        read = read_upper(upper, spelling);
    } catch (const Error& error) {
        return {error.message()};
    }
    auto found = read.changes().begin();
    // What the delta does not name: the root, which every upper directory has, and parents that were implied.
    auto pass_until = [&](const ImagePath* next) {
        for (; found != read.changes().end() && (!next || found->path < *next); ++found) {
            const bool is_parent = found->path.is_root() || (next && next->is_below(found->path));
            if (!is_parent || !found->entry.is_directory()) report(found->path, "does not belong there");
        }
    };
    for (const Change& expected : delta.changes()) {
        pass_until(&expected.path);
        if (found != read.changes().end() && found->path == expected.path) {
            const std::string_view what = difference(*found, expected);
            if (!what.empty()) report(expected.path, what);
            ++found;
        } else if (keeps_devices(spelling) || !is_device(expected.entry.kind) || expected.kind == ChangeKind::remove) {
            report(expected.path, "is missing");
        }
    }
    pass_until(nullptr);
    return faults;
}

}  // namespace imgbuild::layerstore
