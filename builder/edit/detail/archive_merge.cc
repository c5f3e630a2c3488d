// SPDX-License-Identifier: Apache-2.0
#include "builder/edit/detail/archive_merge.h"

#include <optional>
#include <string_view>
#include <unordered_map>

namespace imgbuild::builder {
namespace {

using layerstore::Change;
using layerstore::ChangeKind;
using layerstore::EntryKind;
using layerstore::LinkGroup;
using layerstore::TreeDelta;

class ArchiveMerge {
  public:
    ArchiveMerge(Draft& draft, DraftNode& destination, const TreeDelta& archive, const MetadataChange& change)
        : draft_(draft), destination_(destination), archive_(archive), change_(change), parent_(&destination) {
        for (const LinkGroup& group : archive.links()) {
            std::size_t number = draft.new_link_group();
            for (const ImagePath& path : group) groups_.emplace(path.bytes(), number);
        }
    }

    void run() {
        for (const Change& change : archive_.changes()) {
            // On nothing a removal does nothing; the archive's own root is the destination, which stays as it is.
            if (change.kind == ChangeKind::remove || change.path.is_root()) continue;
            DraftNode& parent = parent_of(change.path);
            if (change.entry.is_directory())
                put_directory(parent, change);
            else
                put_file(parent, change);
        }
    }

  private:
    // Asked in path order, so that most files lie beside the one before.
    DraftNode& parent_of(const ImagePath& path) {
        ImagePath wanted = path.parent();
        if (wanted == parent_path_) return *parent_;
        DraftNode* here = &destination_;
        for (std::string_view name : wanted.components()) here = &enter(*here, name);
        parent_path_ = std::move(wanted);
        return *(parent_ = here);
    }

    DraftNode& enter(DraftNode& directory, std::string_view name) {
        DraftNode* stands = draft_.find(directory, name);
        if (!stands || stands->entry.kind != EntryKind::symlink)
            return draft_.require_directory(directory, name, change_.new_directory());
        // As it was before the first link: nothing that the archive puts can be in the way of what it puts below.
        if (!linked_) linked_ = draft_.tree();
        return draft_.require_directory(linked_->resolve(stands->path()), change_.new_directory());
    }

    void put_directory(DraftNode& parent, const Change& change) {
        DraftNode* stands = draft_.find(parent, change.path.name());
        if (stands && stands->entry.kind == EntryKind::symlink)
            enter(parent, change.path.name());
        else if (stands && !stands->entry.is_directory())
            Draft::put_directory_over(*stands, change_.applied_to(change.entry));
        else
            draft_.put_directory(parent, change.path.name(), change_.applied_to(change.entry));
    }

    void put_file(DraftNode& parent, const Change& change) {
        auto group = groups_.find(change.path.bytes());
        draft_.put(parent, change.path.name(), change_.applied_to(change.entry),
                   group == groups_.end() ? 0 : group->second);
    }

    Draft& draft_;
    DraftNode& destination_;
    const TreeDelta& archive_;
    const MetadataChange& change_;
    std::unordered_map<std::string_view, std::size_t> groups_;
    ImagePath parent_path_;  ///< in the archive
    DraftNode* parent_;
    std::optional<layerstore::Tree> linked_;  ///< what links are followed in
};

}  // namespace

void merge_archive(Draft& draft, DraftNode& destination, const TreeDelta& archive, const MetadataChange& change) {
    ArchiveMerge(draft, destination, archive, change).run();
}

}  // namespace imgbuild::builder
