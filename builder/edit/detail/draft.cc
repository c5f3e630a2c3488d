// SPDX-License-Identifier: Apache-2.0
#include "builder/edit/detail/draft.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

using layerstore::Change;
using layerstore::ChangeKind;
using layerstore::Entry;
using layerstore::EntryKind;
using layerstore::LinkGroup;

void require_is_directory(const DraftNode& node) {
    if (node.entry.is_directory()) return;
    std::string path = printable(node.path().absolute());
    if (node.entry.kind == EntryKind::symlink)
        throw Error(ErrorKind::usage, fmt::format("cannot replace symbolic link {} with a directory", path),
                    fmt::format("write below {} instead, or remove the link in a step before this one",
                                printable(node.entry.link_target)));
    throw Error(ErrorKind::usage, fmt::format("cannot replace file {} with a directory", path),
                "remove the file in a step before this one, or choose another destination");
}

// What was put, in path order.
class PutEntries {
  public:
    void add(const DraftNode& directory, const ImagePath& path) {
        for (const auto& [name, node] : directory.below) {
            // A file of the base that was only asked for, which is most of what stands in a directory copied again.
            if (!node->is_put && node->below.empty()) continue;
            ImagePath here = path.child(name);
            if (node->is_put) put(*node, here);
            add(*node, here);
        }
    }

    layerstore::TreeDelta build() {
        std::vector<LinkGroup> links;
        for (auto& [number, group] : groups_)
            if (group.size() > 1) links.push_back(std::move(group));
        return layerstore::TreeDelta::build(std::move(changes_), std::move(links));
    }

  private:
    void put(const DraftNode& node, const ImagePath& path) {
        changes_.push_back({path, ChangeKind::put, node.entry});
        if (node.link_group != 0) groups_[node.link_group].push_back(path);
    }

    std::vector<Change> changes_;
    std::map<std::size_t, LinkGroup> groups_;
};

}  // namespace

ImagePath DraftNode::path() const { return above ? above->path().child(name) : ImagePath(); }

Draft::Draft(layerstore::Tree base) : base_(std::move(base)) {
    root_.entry = base_.root_entry();
    root_.base = base_.below();
}

DraftNode* Draft::find(DraftNode& directory, std::string_view name) {
    auto found = directory.below.find(name);
    if (found != directory.below.end()) return found->second.get();
    const layerstore::Child* child = directory.base ? directory.base->find(name) : nullptr;
    if (!child) return nullptr;
    DraftNode& made = node(directory, name);
    made.entry = child->entry;
    made.base = child->below;
    return &made;
}

DraftNode* Draft::find(const ImagePath& path) {
    DraftNode* here = &root_;
    for (std::string_view name : path.components()) {
        here = here->entry.is_directory() ? find(*here, name) : nullptr;
        if (!here) return nullptr;
    }
    return here;
}

DraftNode& Draft::node(DraftNode& directory, std::string_view name) {
    auto made = directory.below.emplace(name, std::make_unique<DraftNode>()).first;
    made->second->above = &directory;
    made->second->name = made->first;
    return *made->second;
}

void Draft::put(DraftNode& directory, std::string_view name, Entry entry, std::size_t link_group) {
    DraftNode* stands = find(directory, name);
    if (stands && stands->entry.is_directory())
        throw Error(ErrorKind::usage,
                    fmt::format("cannot replace directory {} with a file", printable(stands->path().absolute())),
                    "remove the directory in a step before this one, or choose another destination");
    DraftNode& place = stands ? *stands : node(directory, name);
    place.entry = std::move(entry);
    place.link_group = link_group;
    place.is_put = true;
}

DraftNode& Draft::put_directory(DraftNode& directory, std::string_view name, Entry entry) {
    DraftNode& place = require_directory(directory, name, entry);
    place.entry = std::move(entry);
    place.is_put = true;
    return place;
}

void Draft::put_directory_over(DraftNode& stands, Entry entry) {
    stands.entry = std::move(entry);
    stands.link_group = 0;
    stands.is_put = true;
}

DraftNode& Draft::require_directory(DraftNode& directory, std::string_view name, const Entry& entry) {
    if (DraftNode* stands = find(directory, name)) {
        require_is_directory(*stands);
        return *stands;
    }
    DraftNode& made = node(directory, name);
    made.entry = entry;
    made.is_put = true;
    return made;
}

DraftNode& Draft::require_directory(const ImagePath& path, const Entry& entry) {
    DraftNode* here = &root_;
    for (std::string_view name : path.components()) here = &require_directory(*here, name, entry);
    return *here;
}

layerstore::TreeDelta Draft::delta() const {
    PutEntries entries;
    entries.add(root_, ImagePath());
    return entries.build();
}

layerstore::Tree Draft::tree() const { return layerstore::apply(base_, delta()); }

}  // namespace imgbuild::builder
