// SPDX-License-Identifier: Apache-2.0
#include "builder/remote/first_seen.h"

#include <time.h>

#include <algorithm>
#include <set>

#include "base/error.h"

namespace imgbuild::builder {
namespace {

using layerstore::Child;
using layerstore::Entry;
using layerstore::FileTime;
using layerstore::Subtree;
using layerstore::Tree;

FileTime just_after(FileTime time) noexcept {
    constexpr std::uint32_t last_nanosecond = 999'999'999;
    return time.nanoseconds == last_nanosecond ? FileTime{time.seconds + 1, 0}
                                               : FileTime{time.seconds, time.nanoseconds + 1};
}

/// Goes down two trees at once.
class Merge {
  public:
    Merge(const Tree& fresh, FileTime now) : now_(now) {
        for (const layerstore::LinkGroup& group : fresh.links()) linked_.insert(group.begin(), group.end());
    }

    Entry entry(const Entry& fresh, const Entry* last, const ImagePath& path) const {
        Entry result = fresh;
        result.mtime = now_;
        if (!last || linked_.contains(path)) return result;
        result.mtime = layerstore::same_but_time(fresh, *last) ? last->mtime : std::max(now_, just_after(last->mtime));
        return result;
    }

    std::shared_ptr<const Subtree> below(const std::shared_ptr<const Subtree>& fresh,
                                         const std::shared_ptr<const Subtree>& last, const ImagePath& path) const {
        if (last && linked_.empty() && fresh->content_id() == last->content_id()) return last;
        std::vector<Child> children;
        for (const Child& child : fresh->children()) {
            const Child* old = last ? last->find(child.name) : nullptr;
            const ImagePath child_path = path.child(child.name);
            Child& made = children.emplace_back();
            made.name = child.name;
            made.entry = entry(child.entry, old ? &old->entry : nullptr, child_path);
            if (child.below) made.below = below(child.below, old ? old->below : nullptr, child_path);
        }
        return Subtree::make(std::move(children));
    }

  private:
    FileTime now_;
    std::set<ImagePath> linked_;
};

}  // namespace

Tree with_first_seen_times(const Tree& fresh, const Tree& last, FileTime now) {
    const Merge merge(fresh, now);
    return fresh.with_nodes(merge.entry(fresh.root_entry(), &last.root_entry(), ImagePath()),
                            merge.below(fresh.below(), last.below(), ImagePath()));
}

Tree remember_context(const Tree& fresh, const std::string& place, RemoteAccess& access) {
    timespec now{};
    if (::clock_gettime(CLOCK_REALTIME_COARSE, &now) != 0) throw_errno("read", "the clock");
    StepKey key("context seen");
    key.add("place", place);
    const Tree last = access.memos.find_tree(key).value_or(Tree());
    Tree tree = with_first_seen_times(fresh, last, {now.tv_sec, static_cast<std::uint32_t>(now.tv_nsec)});
    if (access.store.is_writable() && !(tree == last)) access.memos.put_tree(key, tree);
    return tree;
}

}  // namespace imgbuild::builder
