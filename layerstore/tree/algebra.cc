// SPDX-License-Identifier: Apache-2.0
#include "layerstore/tree/algebra.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::layerstore {
namespace {

using Changes = std::span<const Change>;

// The component of `path` that follows the first `prefix` bytes and their slash.
std::string_view component_behind(const ImagePath& path, std::size_t prefix) {
    std::string_view rest = std::string_view(path.bytes()).substr(prefix + 1);
    return rest.substr(0, rest.find('/'));
}

// How many leading changes are at or below `directory`/`name`.
std::size_t group_length(Changes changes, std::size_t prefix, std::string_view name) {
    std::size_t length = 0;
    while (length < changes.size() && component_behind(changes[length].path, prefix) == name) ++length;
    return length;
}

std::shared_ptr<const Subtree> merge(const std::shared_ptr<const Subtree>& base, Changes changes, std::size_t prefix);

// What stands under one name after `group`, whose paths are all at or below it; empty when nothing does.
std::optional<Child> merge_child(const Child* base, std::string_view name, Changes group, std::size_t prefix) {
    std::size_t own_prefix = prefix + 1 + name.size();
    bool has_own_change = group.front().path.bytes().size() == own_prefix;
    const Change* own = has_own_change ? &group.front() : nullptr;
    Changes below = has_own_change ? group.subspan(1) : group;
    if (own && own->kind == ChangeKind::remove) return std::nullopt;
    Child child{std::string(name), own ? own->entry : implied_directory(), nullptr};
    if (!child.entry.is_directory()) return child;
    bool keeps_base = base && base->below && !(own && own->kind == ChangeKind::empty);
    if (keeps_base && !own) child.entry = base->entry;
    child.below = merge(keeps_base ? base->below : Subtree::empty(), below, own_prefix);
    return child;
}

std::shared_ptr<const Subtree> merge(const std::shared_ptr<const Subtree>& base, Changes changes, std::size_t prefix) {
    if (changes.empty()) return base;
    std::vector<Child> children;
    // Groups come in the order of paths, where "a/b" precedes "a-b" but "a" and "a-b" keep their order: the
    // order of names is the same, so base and groups merge in one pass.
    auto old = base->children().begin();
    auto old_end = base->children().end();
    while (!changes.empty()) {
        std::string_view name = component_behind(changes.front().path, prefix);
        std::size_t length = group_length(changes, prefix, name);
        for (; old != old_end && old->name < name; ++old) children.push_back(*old);
        const Child* replaced = old != old_end && old->name == name ? &*old++ : nullptr;
        if (auto child = merge_child(replaced, name, changes.first(length), prefix))
            children.push_back(*std::move(child));
        changes = changes.subspan(length);
    }
    children.insert(children.end(), old, old_end);
    return Subtree::make(std::move(children));
}

bool hides_below(const Change& change) { return change.kind != ChangeKind::put || !change.entry.is_directory(); }

// True if `delta` decides what stands at `path`.
bool touches(const TreeDelta& delta, const ImagePath& path) {
    if (delta.find(path)) return true;
    for (ImagePath above = path.parent(); !above.is_root(); above = above.parent())
        if (const Change* change = delta.find(above); change && hides_below(*change)) return true;
    const Change* root = delta.find(ImagePath());
    return root && hides_below(*root);
}

std::vector<LinkGroup> merge_links(const Tree& base, const TreeDelta& delta) {
    std::vector<LinkGroup> links(delta.links().begin(), delta.links().end());
    for (const LinkGroup& group : base.links()) {
        LinkGroup left;
        std::ranges::copy_if(group, std::back_inserter(left),
                             [&](const ImagePath& path) { return !touches(delta, path); });
        if (left.size() > 1) links.push_back(std::move(left));
    }
    return links;
}

void put_all(const ImagePath& path, const Child& child, std::vector<Change>& out) {
    out.push_back({path, ChangeKind::put, child.entry});
    if (!child.below) return;
    for (const Child& below : child.below->children()) put_all(path.child(below.name), below, out);
}

void compare(const ImagePath& at, const Subtree& from, const Subtree& to, std::vector<Change>& out) {
    if (from.id() == to.id()) return;
    auto old = from.children().begin();
    auto old_end = from.children().end();
    for (const Child& child : to.children()) {
        for (; old != old_end && old->name < child.name; ++old)
            out.push_back({at.child(old->name), ChangeKind::remove, {}});
        ImagePath path = at.child(child.name);
        if (old == old_end || old->name != child.name) {
            put_all(path, child, out);
            continue;
        }
        const Child& before = *old++;
        if (child.below && before.below) {
            if (!(before.entry == child.entry)) out.push_back({path, ChangeKind::put, child.entry});
            compare(path, *before.below, *child.below, out);
        } else if (child.below) {
            put_all(path, child, out);
        } else if (!(before.entry == child.entry)) {
            out.push_back({path, ChangeKind::put, child.entry});
        }
    }
    for (; old != old_end; ++old) out.push_back({at.child(old->name), ChangeKind::remove, {}});
}

// Hard links of `to` that `from` does not have alike must be put as a whole, and so must files that are no
// longer linked: a delta can only name groups of what it puts.
std::vector<LinkGroup> compare_links(const Tree& from, const Tree& to, std::vector<Change>& changes) {
    std::set<ImagePath> put;
    for (const Change& change : changes)
        if (change.kind == ChangeKind::put) put.insert(change.path);
    auto force = [&](const ImagePath& path) {
        std::optional<Entry> entry = to.find(path);
        if (entry && entry->is_file() && put.insert(path).second) changes.push_back({path, ChangeKind::put, *entry});
    };
    std::set<LinkGroup> before(from.links().begin(), from.links().end());
    std::set<LinkGroup> after(to.links().begin(), to.links().end());
    for (const LinkGroup& group : before)
        if (!after.contains(group)) std::ranges::for_each(group, force);
    std::vector<LinkGroup> links;
    for (const LinkGroup& group : after) {
        bool changed =
            !before.contains(group) || std::ranges::any_of(group, [&](auto& path) { return put.contains(path); });
        if (!changed) continue;
        std::ranges::for_each(group, force);
        links.push_back(group);
    }
    return links;
}

}  // namespace

Tree apply(const Tree& base, const TreeDelta& delta) {
    if (delta.empty()) return base;
    Changes changes = delta.changes();
    Entry root = base.root_entry();
    std::shared_ptr<const Subtree> below = base.below();
    if (changes.front().path.is_root()) {
        root = changes.front().entry;
        if (changes.front().kind == ChangeKind::empty) below = Subtree::empty();
        changes = changes.subspan(1);
    }
    return Tree(std::move(root), merge(below, changes, 0), merge_links(base, delta));
}

TreeDelta difference(const Tree& from, const Tree& to) {
    std::vector<Change> changes;
    if (!(from.root_entry() == to.root_entry())) changes.push_back({ImagePath(), ChangeKind::put, to.root_entry()});
    compare(ImagePath(), *from.below(), *to.below(), changes);
    std::vector<LinkGroup> links = compare_links(from, to, changes);
    return TreeDelta::build(std::move(changes), std::move(links));
}

TreeDelta as_delta(const Tree& tree) { return difference(Tree(), tree); }

Tree select(const Tree& tree, const ImagePath& path) {
    auto below = tree.directory(path);
    if (!below) throw Error(ErrorKind::not_found, fmt::format("tree: {}: not a directory", printable(path.absolute())));
    std::vector<LinkGroup> links;
    for (const LinkGroup& group : tree.links()) {
        bool inside = std::ranges::all_of(group, [&](const ImagePath& member) { return member.is_below(path); });
        if (!inside) continue;
        LinkGroup& cut = links.emplace_back();
        for (const ImagePath& member : group) cut.push_back(member.relative_to(path));
    }
    return Tree(*tree.find(path), std::move(below), std::move(links));
}

Tree graft(const Tree& base, const ImagePath& path, const Tree& subtree) {
    std::vector<Change> changes{{path, ChangeKind::empty, subtree.root_entry()}};
    std::vector<LinkGroup> links;
    TreeDelta content = as_delta(subtree);
    for (const Change& change : content.changes())
        if (!change.path.is_root()) changes.push_back({path.join(change.path), change.kind, change.entry});
    for (const LinkGroup& group : content.links()) {
        LinkGroup& moved = links.emplace_back();
        for (const ImagePath& member : group) moved.push_back(path.join(member));
    }
    return apply(base, TreeDelta::build(std::move(changes), std::move(links)));
}

Normalised normalise(const TreeDelta& delta, const Tree& base) {
    std::set<ImagePath> linked;  // members of groups that are new: kept whole
    std::vector<LinkGroup> links;
    for (const LinkGroup& group : delta.links()) {
        const LinkGroup* before = base.links_of(group.front());
        bool same =
            before && *before == group && same_but_time(delta.find(group.front())->entry, *base.find(group.front()));
        if (same) continue;
        linked.insert(group.begin(), group.end());
        links.push_back(group);
    }
    Normalised result;
    std::vector<Change> changes;
    std::optional<ImagePath> fresh;  // below it nothing of the base shows
    for (const Change& change : delta.changes()) {
        if (fresh && !change.path.is_below(*fresh)) fresh.reset();
        std::optional<Entry> before = fresh ? std::nullopt : base.find(change.path);
        bool changes_nothing =
            change.kind == ChangeKind::remove ? !before && !fresh : before && same_but_time(*before, change.entry);
        Change kept = change;
        if (change.kind == ChangeKind::empty) {
            bool hides_something = before && before->is_directory();
            if (!hides_something) kept.kind = ChangeKind::put;
            changes_nothing = false;
        }
        bool replaces = kept.kind != ChangeKind::remove && kept.entry.is_directory() &&
                        (kept.kind == ChangeKind::empty || !before || !before->is_directory());
        if (replaces && !fresh) fresh = change.path;
        if (changes_nothing && !linked.contains(change.path))
            result.dropped.push_back(change.path);
        else
            changes.push_back(std::move(kept));
    }
    result.delta = TreeDelta::build(std::move(changes), std::move(links));
    return result;
}

}  // namespace imgbuild::layerstore
