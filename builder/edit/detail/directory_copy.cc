// SPDX-License-Identifier: Apache-2.0
#include "builder/edit/detail/directory_copy.h"

namespace imgbuild::builder {

using layerstore::Child;
using layerstore::LinkGroup;
using layerstore::Subtree;

std::size_t LinkedFiles::group_of(const ImagePath& path) {
    const LinkGroup* group = source_.links_of(path);
    if (!group) return 0;
    auto [found, is_new] = groups_.try_emplace(group, 0);
    if (is_new) found->second = draft_.new_link_group();
    return found->second;
}

/// A directory of the source on the way down.
struct DirectoryCopy::Level {
    Level* above = nullptr;
    const Child* source = nullptr;  ///< null for the top
    DraftNode* place = nullptr;     ///< null until something is put there
    bool selected = false;          ///< everything below is
    parser::IgnoreState ignored = {};
};

DirectoryCopy::DirectoryCopy(Draft& draft, const MetadataChange& change, const parser::IgnoreRules& excludes,
                             const parser::PathPattern* selected, LinkedFiles& links)
    : draft_(draft), change_(change), excludes_(excludes), selected_(selected), links_(links) {}

void DirectoryCopy::run(const SourceMatch& from, DraftNode& to) {
    top_ = &from.path;
    path_.clear();
    Level top{.place = &to, .selected = selected_ == nullptr};
    copy_content(*from.below, top);
}

void DirectoryCopy::copy_content(const Subtree& from, Level& level) {
    std::size_t length = path_.size();
    for (const Child& child : from.children()) {
        if (length > 0) path_ += '/';
        path_ += child.name;
        copy(child, level);
        path_.resize(length);
    }
}

void DirectoryCopy::copy(const Child& child, Level& above) {
    bool selected = above.selected || selected_->matches(path_);
    if (!selected && !(child.below && selected_->may_match_below(path_))) return;
    Level level{.above = &above, .source = &child, .selected = selected};
    bool excluded =
        !excludes_.empty() && excludes_.match(path_, above.ignored, child.below ? &level.ignored : nullptr).ignored;
    if (excluded && !(child.below && excludes_.may_reinclude_below(path_))) return;
    if (child.below) {
        if (selected && !excluded) place(level);
        return copy_content(*child.below, level);
    }
    std::size_t group = links_.any() ? links_.group_of(top_->join(ImagePath::clean(path_))) : 0;
    draft_.put(place(above), child.name, change_.applied_to(child.entry), group);
}

// Metadata comes from the source, whether the directory is wanted itself or only something below it.
DraftNode& DirectoryCopy::place(Level& level) {
    if (!level.place)
        level.place =
            &draft_.put_directory(place(*level.above), level.source->name, change_.applied_to(level.source->entry));
    return *level.place;
}

}  // namespace imgbuild::builder
