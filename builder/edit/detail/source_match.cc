// SPDX-License-Identifier: Apache-2.0
#include "builder/edit/detail/source_match.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "parser/ignore/path_pattern.h"

namespace imgbuild::builder {
namespace {

using layerstore::Child;
using layerstore::EntryKind;
using layerstore::Subtree;
using layerstore::Tree;

/// Where the first component with a wildcard begins.
std::size_t literal_length(std::string_view pattern) {
    std::size_t begin = 0;
    for (std::string_view part : split(pattern, '/')) {
        if (parser::has_wildcard(part)) break;
        begin += part.size() + 1;
    }
    return begin;
}

parser::PathPattern compile(std::string_view pattern) {
    std::string problem;
    if (auto compiled = parser::PathPattern::compile(pattern, parser::PatternDialect::glob, problem))
        return *std::move(compiled);
    throw Error(ErrorKind::usage, fmt::format("syntax error in source pattern {}: {}", printable(pattern), problem),
                "write [[] for a bracket that belongs to the name");
}

class MatchWalk {
  public:
    MatchWalk(const Tree& tree, const parser::PathPattern& pattern) : tree_(tree), pattern_(pattern) {}

    void below(const Subtree& node, const ImagePath& at, std::string& relative) {
        std::size_t length = relative.size();
        for (const Child& child : node.children()) {
            if (length > 0) relative += '/';
            relative += child.name;
            if (pattern_.matches(relative))
                found_.push_back(match(child, at));
            else if (child.below && pattern_.may_match_below(relative))
                below(*child.below, at.child(child.name), relative);
            relative.resize(length);
        }
    }
    std::vector<SourceMatch> take() { return std::move(found_); }

  private:
    SourceMatch match(const Child& child, const ImagePath& at) const {
        ImagePath path = at.child(child.name);
        if (child.entry.kind != EntryKind::symlink) return {std::move(path), child.name, child.entry, child.below};
        if (auto target = find_source(tree_, path.bytes())) return *std::move(target);
        throw Error(ErrorKind::not_found, fmt::format("source {} is a link to {}, where nothing is",
                                                      printable(path.relative()), printable(child.entry.link_target)));
    }

    const Tree& tree_;
    const parser::PathPattern& pattern_;
    std::vector<SourceMatch> found_;
};

}  // namespace

std::optional<SourceMatch> find_source(const Tree& tree, std::string_view path) {
    ImagePath written = ImagePath::clean(path);
    ImagePath real = tree.resolve(written);
    auto entry = tree.find(real);
    if (!entry) return std::nullopt;
    auto below = entry->is_directory() ? tree.directory(real) : nullptr;
    return SourceMatch{std::move(real), std::string(written.name()), *std::move(entry), std::move(below)};
}

std::vector<SourceMatch> match_sources(const Tree& tree, std::string_view pattern) {
    std::size_t length = literal_length(pattern);
    parser::PathPattern compiled = compile(pattern.substr(length));
    ImagePath above = tree.resolve(ImagePath::clean(pattern.substr(0, length)));
    auto directory = tree.directory(above);
    if (!directory) return {};
    MatchWalk walk(tree, compiled);
    std::string relative;
    walk.below(*directory, above, relative);
    return walk.take();
}

}  // namespace imgbuild::builder
