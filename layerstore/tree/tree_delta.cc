// SPDX-License-Identifier: Apache-2.0
#include "layerstore/tree/tree_delta.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::layerstore {
namespace {

constexpr std::uint8_t delta_version = 1;
constexpr std::size_t least_change_bytes = 4;       // the removal of "/a"
constexpr std::size_t least_delta_group_bytes = 3;  // a count and two indices

bool can_hold_others(const Change& change) { return change.kind != ChangeKind::remove && change.entry.is_directory(); }

[[noreturn]] void refuse(const ImagePath& path, std::string_view reason) {
    throw Error(ErrorKind::invalid_input, fmt::format("layer: {}: {}", printable(path.absolute()), reason));
}

void check_change(const Change& change) {
    if (change.kind == ChangeKind::empty && !change.entry.is_directory())
        refuse(change.path, "only a directory is opaque");
    if (change.path.is_root() && !can_hold_others(change)) refuse(change.path, "the root can only be a directory");
}

void check_changes(const std::vector<Change>& changes) {
    const Change* leaf = nullptr;  // the last change that nothing may lie below
    for (std::size_t i = 0; i < changes.size(); ++i) {
        const Change& change = changes[i];
        check_change(change);
        if (i > 0 && changes[i - 1].path == change.path) refuse(change.path, "changed twice in one layer");
        if (leaf && change.path.is_below(leaf->path))
            refuse(change.path, fmt::format("lies below {}, which is not a directory", printable(leaf->path.bytes())));
        if (!can_hold_others(change)) leaf = &change;
    }
}

void sort_changes(std::vector<Change>& changes) {
    if (std::ranges::is_sorted(changes, {}, &Change::path)) return;
    std::vector<std::size_t> order(changes.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    // Stable, so that of two changes of one path the same one is told of on every machine.
    std::ranges::stable_sort(order, {}, [&](std::size_t i) -> const ImagePath& { return changes[i].path; });
    std::vector<Change> sorted;
    sorted.reserve(changes.size());
    for (std::size_t i : order) sorted.push_back(std::move(changes[i]));
    changes = std::move(sorted);
}

[[noreturn]] void fail(std::string_view reason) { throw Error(ErrorKind::corrupt, fmt::format("delta: {}", reason)); }

Change decode_change(WireReader& in) {
    std::string_view text = in.text();
    auto path = ImagePath::parse_strict(text);
    if (!path || path->bytes() != text) fail("a path is not canonical");
    std::uint8_t kind = in.byte();
    if (kind > static_cast<std::uint8_t>(ChangeKind::empty)) fail("a change that does not exist");
    Change change{*std::move(path), static_cast<ChangeKind>(kind), {}};
    if (change.kind != ChangeKind::remove) change.entry = decode_entry(in);
    return change;
}

// Indices increase and no change is in two groups: each path is named by at most one of them, so that a short
// record cannot name a long path many times over.
std::vector<LinkGroup> decode_groups(WireReader& in, const std::vector<Change>& changes) {
    std::vector<LinkGroup> links(in.count(least_delta_group_bytes));
    std::vector<bool> is_linked(changes.size());
    std::uint64_t first_before = 0;
    for (LinkGroup& group : links) {
        std::size_t members = in.count(1);
        if (members < 2) fail("a hard link group of one path");
        std::uint64_t last = 0;
        for (std::size_t i = 0; i < members; ++i) {
            std::uint64_t index = in.varint();
            if (index >= changes.size() || is_linked[static_cast<std::size_t>(index)]) fail("a link to nothing");
            if (i > 0 ? index <= last : &group != &links.front() && index <= first_before)
                fail("links are not in order");
            if (i == 0) first_before = index;
            last = index;
            is_linked[static_cast<std::size_t>(index)] = true;
            group.push_back(changes[static_cast<std::size_t>(index)].path);
        }
    }
    return links;
}

}  // namespace

TreeDelta TreeDelta::build(std::vector<Change> changes, std::vector<LinkGroup> links) {
    sort_changes(changes);
    check_changes(changes);
    TreeDelta delta;
    delta.changes_ = std::move(changes);

    std::unordered_set<std::string_view> seen;
    for (LinkGroup& group : links) {
        std::ranges::sort(group);
        if (group.size() < 2) throw Error(ErrorKind::internal, "layer: a hard link group of one path");
        const Change* first = delta.find(group.front());
        for (const ImagePath& path : group) {
            const Change* change = delta.find(path);
            bool is_equal_file = change && first && change->kind == ChangeKind::put && change->entry.is_file() &&
                                 change->entry == first->entry;
            if (!is_equal_file) refuse(path, "a hard link to what is not the same file");
            if (!seen.insert(path.bytes()).second) refuse(path, "in two groups of hard links");
        }
    }
    std::ranges::sort(links, {}, [](const LinkGroup& group) -> const ImagePath& { return group.front(); });
    delta.links_ = std::move(links);
    return delta;
}

const Change* TreeDelta::find(const ImagePath& path) const noexcept {
    auto found = std::ranges::lower_bound(changes_, path, {}, &Change::path);
    return found != changes_.end() && found->path == path ? &*found : nullptr;
}

std::uint64_t TreeDelta::content_bytes() const {
    std::uint64_t total = 0;
    for (const Change& change : changes_)
        if (change.kind == ChangeKind::put && change.entry.is_file()) total += change.entry.size;
    for (const LinkGroup& group : links_) total -= (group.size() - 1) * find(group.front())->entry.size;
    return total;
}

std::string TreeDelta::encode() const {
    WireWriter out;
    out.byte(delta_version).varint(changes_.size());
    for (const Change& change : changes_) {
        out.text(change.path.bytes()).byte(static_cast<std::uint8_t>(change.kind));
        if (change.kind != ChangeKind::remove) encode_entry(out, change.entry, true);
    }
    out.varint(links_.size());
    for (const LinkGroup& group : links_) {
        out.varint(group.size());
        for (const ImagePath& path : group) out.varint(static_cast<std::uint64_t>(find(path) - changes_.data()));
    }
    return out.take();
}

DeltaId TreeDelta::id() const { return DeltaId{Sha256::of(encode())}; }

TreeDelta TreeDelta::decode(std::string_view bytes) {
    WireReader in(bytes, "delta");
    if (in.byte() != delta_version) fail("an encoding of another version");
    std::vector<Change> changes;
    std::size_t count = in.count(least_change_bytes);
    changes.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        changes.push_back(decode_change(in));
        if (i > 0 && !(changes[i - 1].path < changes[i].path)) fail("paths are not in order");
    }
    std::vector<LinkGroup> links = decode_groups(in, changes);
    in.expect_end();
    try {
        return build(std::move(changes), std::move(links));
    } catch (const Error& error) {
        fail(error.message());
    }
}

TreeDelta with_times(const TreeDelta& delta, FileTime time) {
    std::vector<Change> changes(delta.changes().begin(), delta.changes().end());
    for (Change& change : changes)
        if (change.kind != ChangeKind::remove) change.entry.mtime = time;
    return TreeDelta::build(std::move(changes), {delta.links().begin(), delta.links().end()});
}

}  // namespace imgbuild::layerstore
