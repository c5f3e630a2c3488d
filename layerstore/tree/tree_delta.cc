// SPDX-License-Identifier: Apache-2.0
#include "layerstore/tree/tree_delta.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::layerstore {
namespace {

constexpr std::uint8_t encoding_version = 1;

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

std::size_t shared_prefix(std::string_view a, std::string_view b) {
    return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace

TreeDelta TreeDelta::build(std::vector<Change> changes, std::vector<LinkGroup> links) {
    if (!std::ranges::is_sorted(changes, {}, &Change::path)) std::ranges::sort(changes, {}, &Change::path);
    check_changes(changes);
    TreeDelta delta;
    delta.changes_ = std::move(changes);

    std::set<ImagePath> seen;
    for (LinkGroup& group : links) {
        std::ranges::sort(group);
        if (group.size() < 2) throw Error(ErrorKind::internal, "layer: a hard link group of one path");
        const Change* first = delta.find(group.front());
        for (const ImagePath& path : group) {
            const Change* change = delta.find(path);
            bool is_equal_file = change && first && change->kind == ChangeKind::put && change->entry.is_file() &&
                                 change->entry == first->entry;
            if (!is_equal_file) refuse(path, "a hard link to what is not the same file");
            if (!seen.insert(path).second) refuse(path, "in two groups of hard links");
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
    out.byte(encoding_version).varint(changes_.size());
    std::string_view previous;
    for (const Change& change : changes_) {
        std::string_view path = change.path.bytes();
        std::size_t shared = shared_prefix(previous, path);
        out.varint(shared).text(path.substr(shared)).byte(static_cast<std::uint8_t>(change.kind));
        if (change.kind != ChangeKind::remove) encode_entry(out, change.entry, true);
        previous = path;
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
    auto fail = [](std::string_view reason) { throw Error(ErrorKind::corrupt, fmt::format("delta: {}", reason)); };
    if (in.byte() != encoding_version) fail("an encoding of another version");
    std::vector<Change> changes;
    std::size_t count = in.count(3);
    changes.reserve(count);
    std::string path;
    for (std::size_t i = 0; i < count; ++i) {
        std::uint64_t shared = in.varint();
        if (shared > path.size()) fail("a path shares more than there is");
        path.resize(static_cast<std::size_t>(shared));
        path += in.text();
        auto parsed = ImagePath::parse_strict(path);
        if (!parsed || parsed->bytes() != path) fail("a path is not canonical");
        std::uint8_t kind = in.byte();
        if (kind > static_cast<std::uint8_t>(ChangeKind::empty)) fail("a change that does not exist");
        Change change{*std::move(parsed), static_cast<ChangeKind>(kind), {}};
        if (change.kind != ChangeKind::remove) change.entry = decode_entry(in);
        if (!changes.empty() && !(changes.back().path < change.path)) fail("paths are not in order");
        changes.push_back(std::move(change));
    }
    std::vector<LinkGroup> links(in.count(3));
    for (LinkGroup& group : links) {
        std::size_t members = in.count(1);
        for (std::size_t i = 0; i < members; ++i) {
            std::uint64_t index = in.varint();
            if (index >= changes.size()) fail("a link to nothing");
            group.push_back(changes[static_cast<std::size_t>(index)].path);
        }
    }
    in.expect_end();
    TreeDelta delta = build(std::move(changes), std::move(links));
    if (delta.encode() != bytes) fail("not in its canonical form");
    return delta;
}

TreeDelta with_times(const TreeDelta& delta, FileTime time) {
    std::vector<Change> changes(delta.changes().begin(), delta.changes().end());
    for (Change& change : changes)
        if (change.kind != ChangeKind::remove) change.entry.mtime = time;
    return TreeDelta::build(std::move(changes), {delta.links().begin(), delta.links().end()});
}

}  // namespace imgbuild::layerstore
