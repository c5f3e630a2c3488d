// SPDX-License-Identifier: Apache-2.0
#include "layerstore/tree/algebra.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <unordered_set>

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

// How many leading changes are at or below the first one's component behind `prefix`, which ends at `end`.
std::size_t group_length(Changes changes, std::size_t end) {
    std::string_view shared = std::string_view(changes.front().path.bytes()).substr(0, end);
    auto is_inside = [&](const Change& change) {
        std::string_view path = change.path.bytes();
        return path.starts_with(shared) && (path.size() == end || path[end] == '/');
    };
    return static_cast<std::size_t>(std::ranges::find_if_not(changes, is_inside) - changes.begin());
}

bool puts_something(Changes changes) {
    return std::ranges::any_of(changes, [](const Change& change) { return change.kind != ChangeKind::remove; });
}

std::shared_ptr<const Subtree> merge(const std::shared_ptr<const Subtree>& base, Changes changes, std::size_t prefix);

// What stands under one name after `group`, whose paths are all at or below it; empty when nothing does.
std::optional<Child> merge_child(const Child* base, std::string_view name, Changes group, std::size_t prefix) {
    std::size_t own_prefix = prefix + 1 + name.size();
    bool has_own_change = group.front().path.bytes().size() == own_prefix;
    const Change* own = has_own_change ? &group.front() : nullptr;
    Changes below = has_own_change ? group.subspan(1) : group;
    if (own && own->kind == ChangeKind::remove) return std::nullopt;
    bool stands = base && base->below;
    if (!own && !stands && !puts_something(below)) return base ? std::optional(*base) : std::nullopt;
    Child child{std::string(name), own ? own->entry : implied_directory(), nullptr};
    if (!child.entry.is_directory()) return child;
    bool keeps_base = stands && !(own && own->kind == ChangeKind::empty);
    if (keeps_base && !own) child.entry = base->entry;
    child.below = merge(keeps_base ? base->below : Subtree::empty(), below, own_prefix);
    return child;
}

std::shared_ptr<const Subtree> merge(const std::shared_ptr<const Subtree>& base, Changes changes, std::size_t prefix) {
    if (changes.empty()) return base;
    std::vector<Child> children;
    children.reserve(base->children().size());
    // Groups come in the order of paths, where "a/b" precedes "a-b" but "a" and "a-b" keep their order: the
    // order of names is the same, so base and groups merge in one pass.
    auto old = base->children().begin();
    auto old_end = base->children().end();
    while (!changes.empty()) {
        std::string_view name = component_behind(changes.front().path, prefix);
        std::size_t length = group_length(changes, prefix + 1 + name.size());
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

// Says of files asked in the order of their paths whether a delta decides what stands there.
class Touched {
  public:
    explicit Touched(const TreeDelta& delta) : left_(delta.changes()) {}

    bool operator()(const ImagePath& path) {
        for (; !left_.empty() && left_.front().path < path; left_ = left_.subspan(1)) see(left_.front());
        if (!left_.empty() && left_.front().path == path) return true;
        // What is put below a file makes a directory of it.
        for (const Change& change : left_) {
            if (!change.path.is_below(path)) break;
            if (change.kind != ChangeKind::remove) return true;
        }
        return hider_ && (hider_->is_root() || path.is_below(*hider_));
    }

  private:
    void see(const Change& change) {
        if (hider_ && (hider_->is_root() || change.path.is_below(*hider_))) return;
        if (hides_below(change)) hider_ = &change.path;
    }
    Changes left_;
    const ImagePath* hider_ = nullptr;  // the outermost of the last ones
};

// The links of apply(base, delta); nothing when they are the base's.
std::optional<std::vector<LinkGroup>> merge_links(const Tree& base, const TreeDelta& delta) {
    using Member = std::pair<const ImagePath*, std::size_t>;
    const std::vector<LinkGroup>& old = base.links();
    std::vector<Member> members;
    for (std::size_t i = 0; i < old.size(); ++i)
        for (const ImagePath& path : old[i]) members.emplace_back(&path, i);
    std::ranges::sort(members, [](const Member& a, const Member& b) { return *a.first < *b.first; });
    std::vector<LinkGroup> kept(old.size());
    Touched touched(delta);
    bool all_kept = true;
    for (const auto& [path, group] : members) {
        if (touched(*path))
            all_kept = false;
        else
            kept[group].push_back(*path);
    }
    if (all_kept && delta.links().empty()) return std::nullopt;
    std::vector<LinkGroup> links(delta.links().begin(), delta.links().end());
    for (LinkGroup& group : kept)
        if (group.size() > 1) links.push_back(std::move(group));
    return links;
}

enum class Times : bool { count, do_not_count };

void put_all(const ImagePath& path, const Child& child, std::vector<Change>& out) {
    out.push_back({path, ChangeKind::put, child.entry});
    if (!child.below) return;
    for (const Child& below : child.below->children()) put_all(path.child(below.name), below, out);
}

// The puts and removals that turn one tree into another, in path order.
class Comparison {
  public:
    Comparison(const Tree& from, const Tree& to, Times times) : times_(times) {
        if (!same(from.root_entry(), to.root_entry()))
            changes_.push_back({ImagePath(), ChangeKind::put, to.root_entry()});
        compare(ImagePath(), *from.below(), *to.below());
    }
    std::vector<Change> take() { return std::move(changes_); }

  private:
    bool same(const Entry& a, const Entry& b) const { return times_ == Times::count ? a == b : same_but_time(a, b); }
    bool same(const Subtree& a, const Subtree& b) const {
        return times_ == Times::count ? a.id() == b.id() : a.content_id() == b.content_id();
    }

    void compare(const ImagePath& at, const Subtree& from, const Subtree& to) {
        if (same(from, to)) return;
        auto old = from.children().begin();
        auto old_end = from.children().end();
        for (const Child& child : to.children()) {
            for (; old != old_end && old->name < child.name; ++old) remove(at, *old);
            if (old == old_end || old->name != child.name)
                put_all(at.child(child.name), child, changes_);
            else
                compare(at, *old++, child);
        }
        for (; old != old_end; ++old) remove(at, *old);
    }

    void compare(const ImagePath& at, const Child& before, const Child& child) {
        bool is_same = same(before.entry, child.entry);
        if (!child.below) {
            if (!is_same) changes_.push_back({at.child(child.name), ChangeKind::put, child.entry});
            return;
        }
        if (is_same && same(*before.below, *child.below)) return;
        ImagePath path = at.child(child.name);
        if (!before.below) return put_all(path, child, changes_);
        if (!is_same) changes_.push_back({path, ChangeKind::put, child.entry});
        compare(path, *before.below, *child.below);
    }

    void remove(const ImagePath& at, const Child& child) {
        changes_.push_back({at.child(child.name), ChangeKind::remove, {}});
    }

    Times times_;
    std::vector<Change> changes_;
};

// Hard links of `to` that `from` does not have alike must be put as a whole, and so must files that are no
// longer linked: a delta can only name groups of what it puts.
class LinkComparison {
  public:
    LinkComparison(const Tree& from, const Tree& to, Times times, std::vector<Change> changes)
        : from_(from), to_(to), times_(times), changes_(std::move(changes)), own_(changes_.size()) {}

    TreeDelta run() {
        // File systems break links that no step meant to break: where times do not count, a file that stands as
        // it was stays linked.
        if (times_ == Times::count)
            for (const LinkGroup& group : from_.links())
                if (const LinkGroup* now = to_.links_of(group.front()); !now || *now != group) force(group);
        std::vector<LinkGroup> links;
        for (const LinkGroup& group : to_.links()) {
            if (stands_already(group)) continue;
            force(group);
            links.push_back(group);
        }
        return TreeDelta::build(std::move(changes_), std::move(links));
    }

  private:
    bool stands_already(const LinkGroup& group) const {
        const LinkGroup* before = from_.links_of(group.front());
        if (!before || std::ranges::any_of(group, [this](const ImagePath& path) { return is_put(path); })) return false;
        return times_ == Times::count ? *before == group : std::ranges::includes(*before, group);
    }
    bool is_put(const ImagePath& path) const {
        auto own = std::span(changes_).first(own_);
        auto found = std::ranges::lower_bound(own, path, {}, &Change::path);
        bool is_own = found != own.end() && found->path == path && found->kind == ChangeKind::put;
        return is_own || forced_.contains(path.bytes());
    }
    void force(const LinkGroup& group) {
        for (const ImagePath& path : group) {
            std::optional<Entry> entry = to_.find(path);
            if (!entry || !entry->is_file() || is_put(path)) continue;
            forced_.insert(path.bytes());
            changes_.push_back({path, ChangeKind::put, *std::move(entry)});
        }
    }

    const Tree& from_;
    const Tree& to_;
    Times times_;
    std::vector<Change> changes_;
    std::size_t own_;  // of changes_, in path order; behind them the forced ones
    std::unordered_set<std::string_view> forced_;
};

TreeDelta compare(const Tree& from, const Tree& to, Times times) {
    return LinkComparison(from, to, times, Comparison(from, to, times).take()).run();
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
    below = merge(below, changes, 0);
    std::optional<std::vector<LinkGroup>> links = merge_links(base, delta);
    return links ? Tree(std::move(root), std::move(below), *std::move(links))
                 : base.with_nodes(std::move(root), std::move(below));
}

TreeDelta difference(const Tree& from, const Tree& to) { return compare(from, to, Times::count); }

TreeDelta as_delta(const Tree& tree) { return difference(Tree(), tree); }

Tree select(const Tree& tree, const ImagePath& path) {
    auto below = tree.directory(path);
    if (!below) throw Error(ErrorKind::not_found, fmt::format("tree: {}: not a directory", printable(path.absolute())));
    std::vector<LinkGroup> links;
    for (const LinkGroup& group : tree.links()) {
        LinkGroup inside;
        for (const ImagePath& member : group)
            if (path.is_root() || member.is_below(path)) inside.push_back(member.relative_to(path));
        if (inside.size() > 1) links.push_back(std::move(inside));
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
    Normalised result;
    result.delta = compare(base, apply(base, delta), Times::do_not_count);
    auto left = result.delta.changes();
    for (const Change& change : delta.changes()) {
        while (!left.empty() && left.front().path < change.path) left = left.subspan(1);
        if (left.empty() || left.front().path != change.path) result.dropped.push_back(change.path);
    }
    return result;
}

}  // namespace imgbuild::layerstore
