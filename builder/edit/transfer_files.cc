// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "builder/edit/detail/archive_merge.h"
#include "builder/edit/detail/directory_copy.h"
#include "builder/edit/detail/draft.h"
#include "builder/edit/detail/metadata_change.h"
#include "builder/edit/detail/source_match.h"
#include "builder/edit/edit.h"
#include "parser/instruction/values.h"

namespace imgbuild::builder {
namespace {

using layerstore::Entry;
using layerstore::Tree;
using layerstore::TreeDelta;

MetadataChange change_of(const TransferFiles& edit, const EditInputs& inputs) {
    MetadataChange change;
    if (!edit.chown.empty()) change.owner = inputs.find_owner(edit.chown);
    if (!edit.chmod.empty()) change.mode = ModeChange::parse(edit.chmod);
    return change;
}

parser::IgnoreRules rules_of(const std::vector<std::string>& patterns) {
    parser::Diagnostics diagnostics;
    parser::IgnoreRules rules = parser::IgnoreRules::from_patterns(patterns, {}, diagnostics);
    if (!diagnostics.empty())
        throw Error(ErrorKind::usage, fmt::format("--exclude: {}", printable(diagnostics[0].message)),
                    diagnostics[0].hint);
    return rules;
}

/// What --parents keeps of a source; null for all. A pattern without wildcards means the path that it spells,
/// backslashes included, as it does without --parents.
std::optional<parser::PathPattern> selection_of(const TransferSource& source) {
    if (source.pattern.empty()) return std::nullopt;
    std::string pattern;
    bool is_literal = !parser::has_wildcard(source.pattern);
    for (char c : source.pattern) {
        if (is_literal && c == '\\') pattern += '\\';
        pattern += c;
    }
    std::string problem;
    if (auto compiled = parser::PathPattern::compile(pattern, parser::PatternDialect::ignore, problem)) return compiled;
    throw Error(ErrorKind::usage,
                fmt::format("syntax error in source pattern {}: {}", printable(source.written), problem),
                "write [[] for a bracket that belongs to the name");
}

class Transfer {
  public:
    Transfer(const TransferFiles& edit, const EditInputs& inputs)
        : edit_(edit),
          inputs_(inputs),
          change_(change_of(edit, inputs)),
          excludes_(rules_of(edit.excludes)),
          // What --link makes may depend on nothing that is below it: no link is followed, no directory is there.
          draft_(edit.link ? Tree() : inputs.root),
          destination_(edit.link ? edit.destination : inputs.root.resolve(edit.destination)) {}

    TreeDelta run() {
        for (const TransferSource& source : edit_.sources) {
            const Tree& tree = inputs_.sources.at(source.input);
            LinkedFiles links(tree, draft_);
            if (edit_.parents)
                copy_with_parents(source, tree, links);
            else
                copy_matches(source, tree, links);
        }
        for (const InlineFile& file : edit_.inline_files) put_inline(file);
        return draft_.delta();
    }

  private:
    [[noreturn]] void refuse_missing(const TransferSource& source) const {
        throw Error(ErrorKind::not_found,
                    fmt::format("source {}: no such file or directory", printable(source.written)),
                    inputs_.explain_missing ? inputs_.explain_missing(source) : "");
    }

    // The file of a URL is called as its server says: a wildcard in that name is none.
    std::vector<SourceMatch> matches_of(const TransferSource& source, const Tree& tree) const {
        if (parser::has_wildcard(source.pattern) && !parser::is_http_url(source.written))
            return match_sources(tree, source.pattern);
        auto found = find_source(tree, source.pattern);
        if (!found) refuse_missing(source);
        return {*std::move(found)};
    }

    void copy_matches(const TransferSource& source, const Tree& tree, LinkedFiles& links) {
        DirectoryCopy copy(draft_, change_, excludes_, nullptr, links);
        for (const SourceMatch& match : matches_of(source, tree)) {
            if (match.below)
                copy.run(match, draft_.require_directory(destination_, change_.new_directory()));
            else if (!source.unpack || !unpack(match))
                put_file(match.name, change_.applied_to(match.entry), links.group_of(match.path));
        }
    }

    // Every pivot is a directory whose content is copied, as far as it is selected.
    void copy_with_parents(const TransferSource& source, const Tree& tree, LinkedFiles& links) {
        std::optional<parser::PathPattern> selected = selection_of(source);
        std::vector<SourceMatch> pivots = pivots_of(source, tree);
        bool is_literal = !parser::has_wildcard(source.pivot) && !parser::has_wildcard(source.pattern);
        if (is_literal && !stands_below(pivots, source, tree)) refuse_missing(source);
        DirectoryCopy copy(draft_, change_, excludes_, selected ? &*selected : nullptr, links);
        DraftNode& to = draft_.require_directory(destination_, change_.new_directory());
        for (const SourceMatch& pivot : pivots)
            if (pivot.below) copy.run(pivot, to);
    }

    // Links below a pivot are copied and not followed, so that nothing lies behind one.
    static bool stands_below(const std::vector<SourceMatch>& pivots, const TransferSource& source, const Tree& tree) {
        return !pivots.empty() && pivots.front().below &&
               tree.find(pivots.front().path.join(ImagePath::clean(source.pattern)));
    }

    std::vector<SourceMatch> pivots_of(const TransferSource& source, const Tree& tree) const {
        if (parser::has_wildcard(source.pivot)) return match_sources(tree, source.pivot);
        auto found = find_source(tree, source.pivot);
        return found ? std::vector{*std::move(found)} : std::vector<SourceMatch>{};
    }

    bool unpack(const SourceMatch& match) {
        if (!match.entry.is_file()) return false;
        std::optional<TreeDelta> archive = inputs_.unpack(match.entry, match.name);
        if (!archive) return false;
        MetadataChange owner_only{change_.owner, std::nullopt};
        DraftNode& to = draft_.require_directory(destination_, owner_only.new_directory());
        merge_archive(draft_, to, *archive, owner_only);
        return true;
    }

    void put_inline(const InlineFile& file) {
        Entry entry;
        entry.size = file.content.size();
        entry.mtime = layerstore::default_file_time;
        entry.content = inputs_.inline_contents.add(file.content);
        put_file(ImagePath::clean(file.name).name(), change_.applied_to(std::move(entry)), 0);
    }

    void put_file(std::string_view name, Entry entry, std::size_t link_group) {
        const DraftNode* stands = draft_.find(destination_);
        bool inside = edit_.into_directory || (stands && stands->entry.is_directory());
        DraftNode& directory =
            draft_.require_directory(inside ? destination_ : destination_.parent(), change_.new_directory());
        draft_.put(directory, inside ? name : destination_.name(), std::move(entry), link_group);
    }

    const TransferFiles& edit_;
    const EditInputs& inputs_;
    MetadataChange change_;
    parser::IgnoreRules excludes_;
    Draft draft_;
    ImagePath destination_;  ///< links followed
};

}  // namespace

TreeDelta transfer_files(const TransferFiles& edit, const EditInputs& inputs) { return Transfer(edit, inputs).run(); }

}  // namespace imgbuild::builder
