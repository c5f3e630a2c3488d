// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/run_delta.h"

#include <algorithm>

#include "builder/scrub/scrub.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

using layerstore::Change;
using layerstore::ChangeKind;
using layerstore::Entry;
using layerstore::LinkGroup;
using layerstore::Tree;
using layerstore::TreeDelta;

std::vector<LinkGroup> links_of(const TreeDelta& delta) { return {delta.links().begin(), delta.links().end()}; }

// One name of several is left alone: file systems below a sandbox break such sets, times and all, without being asked.
bool is_touched(const Change& change, const Tree& root) {
    if (change.kind != ChangeKind::put || change.entry.is_directory() || root.links_of(change.path)) return false;
    const std::optional<Entry> before = root.find(change.path);
    return before && same_but_time(*before, change.entry) && before->mtime.seconds != change.entry.mtime.seconds;
}

TreeDelta with_touched_files(const TreeDelta& normal, const TreeDelta& changes, const Tree& root) {
    std::vector<Change> all(normal.changes().begin(), normal.changes().end());
    for (const Change& change : changes.changes())
        if (is_touched(change, root) && !normal.find(change.path)) all.push_back(change);
    return TreeDelta::build(std::move(all), links_of(normal));
}

// A file whose mode or owner alone was changed has the time that it had, whatever the command was shown.
TreeDelta with_times_of_root(const TreeDelta& normal, const Tree& root) {
    std::vector<Change> all(normal.changes().begin(), normal.changes().end());
    for (Change& change : all) {
        if (change.kind == ChangeKind::remove || !change.entry.is_file()) continue;
        const std::optional<Entry> before = root.find(change.path);
        if (before && before->is_file() && before->content == change.entry.content) change.entry.mtime = before->mtime;
    }
    return TreeDelta::build(std::move(all), links_of(normal));
}

}  // namespace

RunDelta run_delta(const TreeDelta& changes, const Tree& root, const RunDeltaRules& rules) {
    const Scrubbed left = rules.scrub ? scrub(changes) : Scrubbed{changes};
    TreeDelta delta = layerstore::normalise(left.delta, root).delta;
    if (rules.times.are_kept())
        delta =
            rules.saw_first_seen_times ? with_times_of_root(delta, root) : with_touched_files(delta, left.delta, root);
    return {rules.times.seal(layerstore::complete_for(delta, root)), left.files};
}

}  // namespace imgbuild::builder
