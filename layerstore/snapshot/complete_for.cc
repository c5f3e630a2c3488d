// SPDX-License-Identifier: Apache-2.0
#include <unordered_set>

#include "layerstore/snapshot/overlay_codec.h"

namespace imgbuild::layerstore {
namespace {

class Completion {
  public:
    Completion(const TreeDelta& delta, const Tree& base) : delta_(delta), base_(base) {}

    TreeDelta run() {
        for (const Change& change : delta_.changes())
            if (change.kind != ChangeKind::remove) put_.insert(change.path);
        bool fresh_root = false;
        for (const Change& change : delta_.changes()) {
            if (fresh_ && !change.path.is_below(*fresh_)) fresh_.reset();
            if (change.path.is_root() && change.kind == ChangeKind::empty) {
                fresh_root = true;
                continue;
            }
            add(change);
        }
        if (fresh_root) spell_fresh_root();
        if (put_.insert(ImagePath()).second) changes_.push_back({ImagePath(), ChangeKind::put, base_.root_entry()});
        std::vector<LinkGroup> links(delta_.links().begin(), delta_.links().end());
        return TreeDelta::build(std::move(changes_), std::move(links));
    }

  private:
    std::optional<Entry> before(const ImagePath& path) const { return fresh_ ? std::nullopt : base_.find(path); }

    void add(const Change& change) {
        if (change.kind == ChangeKind::remove && !before(change.path)) return;
        add_parents(change.path);
        changes_.push_back(change);
        if (change.kind == ChangeKind::remove || !change.entry.is_directory() || fresh_) return;
        std::optional<Entry> old = base_.find(change.path);
        if (change.kind == ChangeKind::empty || !old || !old->is_directory()) fresh_ = change.path;
    }

    void add_parents(const ImagePath& path) {
        for (ImagePath parent = path.parent(); put_.insert(parent).second; parent = parent.parent()) {
            std::optional<Entry> old = before(parent);
            bool stands = old && old->is_directory();
            changes_.push_back({parent, ChangeKind::put, stands ? *old : implied_directory()});
            if (parent.is_root()) break;
        }
    }

    // Overlay always merges the roots of its layers, so an opaque root is spelt by what stands in it.
    void spell_fresh_root() {
        changes_.push_back({ImagePath(), ChangeKind::put, delta_.changes().front().entry});
        for (Change& change : changes_)
            if (change.kind == ChangeKind::put && change.entry.is_directory() && !change.path.is_root() &&
                change.path.parent().is_root())
                change.kind = ChangeKind::empty;
        for (const Child& child : base_.below()->children()) {
            ImagePath path = ImagePath().child(child.name);
            if (!put_.contains(path) && !delta_.find(path)) changes_.push_back({path, ChangeKind::remove, {}});
        }
    }

    const TreeDelta& delta_;
    const Tree& base_;
    std::unordered_set<ImagePath> put_;
    std::optional<ImagePath> fresh_;
    std::vector<Change> changes_;
};

}  // namespace

TreeDelta complete_for(const TreeDelta& delta, const Tree& base) { return Completion(delta, base).run(); }

}  // namespace imgbuild::layerstore
