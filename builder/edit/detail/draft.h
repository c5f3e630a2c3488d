// SPDX-License-Identifier: Apache-2.0
#pragma once

// The file tree that an edit is making: a base with what was put on it so far, so that each thing put sees what
// stands there from the base and from those before it. Of the base only the directories that are asked for are
// looked into.

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "layerstore/tree/tree.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::builder {

/// One object of a draft. Owned by it; stays where it is as long as the draft lives.
struct DraftNode {
    layerstore::Entry entry;
    const DraftNode* above = nullptr;                 ///< null for the root
    std::string_view name;                            ///< the key in above->below
    std::shared_ptr<const layerstore::Subtree> base;  ///< what a directory of the base holds; else null
    std::map<std::string, std::unique_ptr<DraftNode>, std::less<>> below;  ///< what was asked for or put
    std::size_t link_group = 0;  ///< files with the same number are one; 0: a file of its own
    bool is_put = false;

    ImagePath path() const;
};

class Draft {
  public:
    explicit Draft(layerstore::Tree base);

    DraftNode& root() noexcept { return root_; }
    /// What stands under `name`, a link not followed; null when nothing does.
    DraftNode* find(DraftNode& directory, std::string_view name);
    /// The same for a path; null also where something on the way is no directory.
    DraftNode* find(const ImagePath& path);

    /// Puts what is no directory, in the place of what is none either: Error{usage} for a directory.
    void put(DraftNode& directory, std::string_view name, layerstore::Entry entry, std::size_t link_group = 0);
    /// Puts a directory; one that stands there keeps what is below it. Error{usage} for anything else.
    DraftNode& put_directory(DraftNode& directory, std::string_view name, layerstore::Entry entry);
    /// Puts an empty directory in the place of `stands`, which is none.
    static void put_directory_over(DraftNode& stands, layerstore::Entry entry);
    /// The directory under `name`, put with `entry` where nothing stands. Error{usage} for anything else.
    DraftNode& require_directory(DraftNode& directory, std::string_view name, const layerstore::Entry& entry);
    /// The same for each component of a path in which no links are left to follow.
    DraftNode& require_directory(const ImagePath& path, const layerstore::Entry& entry);

    /// A number that no file has yet.
    std::size_t new_link_group() noexcept { return ++last_link_group_; }

    /// All that was put, also where it is equal to what the base has.
    layerstore::TreeDelta delta() const;
    /// The base with all that was put.
    layerstore::Tree tree() const;

  private:
    DraftNode& node(DraftNode& directory, std::string_view name);

    layerstore::Tree base_;
    DraftNode root_;
    std::size_t last_link_group_ = 0;
};

}  // namespace imgbuild::builder
