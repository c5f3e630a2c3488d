// SPDX-License-Identifier: Apache-2.0
#pragma once

// The content of one directory of a source, put into a directory of the draft.

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "builder/edit/detail/draft.h"
#include "builder/edit/detail/metadata_change.h"
#include "builder/edit/detail/source_match.h"
#include "parser/ignore/ignore_rules.h"
#include "parser/ignore/path_pattern.h"

namespace imgbuild::builder {

/// The sets of files of a source that are one, as groups of the draft: those that are copied together stay one.
class LinkedFiles {
  public:
    /// Both are borrowed.
    LinkedFiles(const layerstore::Tree& source, Draft& draft) : source_(source), draft_(draft) {}

    /// False if no file of the source has a second name: then nobody need ask.
    bool any() const { return !source_.links().empty(); }
    std::size_t group_of(const ImagePath& path);

  private:
    const layerstore::Tree& source_;
    Draft& draft_;
    std::unordered_map<const layerstore::LinkGroup*, std::size_t> groups_;
};

class DirectoryCopy {
  public:
    /// All are borrowed. Of the directory's content only what `selected` matches is copied, with everything below
    /// it; null selects all. Both patterns see paths from that directory.
    DirectoryCopy(Draft& draft, const MetadataChange& change, const parser::IgnoreRules& excludes,
                  const parser::PathPattern* selected, LinkedFiles& links);

    /// Copies what is below `from` into `to`, whose own metadata stays. A directory of which only some content is
    /// copied comes with it, and not without. Error{usage} as Draft throws it.
    void run(const SourceMatch& from, DraftNode& to);

  private:
    struct Level;
    void copy_content(const layerstore::Subtree& from, Level& level);
    void copy(const layerstore::Child& child, Level& above);
    DraftNode& place(Level& level);

    Draft& draft_;
    const MetadataChange& change_;
    const parser::IgnoreRules& excludes_;
    const parser::PathPattern* selected_;
    LinkedFiles& links_;
    const ImagePath* top_ = nullptr;
    std::string path_;  ///< of what is looked at, from top_
};

}  // namespace imgbuild::builder
