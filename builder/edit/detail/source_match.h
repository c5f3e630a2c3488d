// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the sources of COPY and ADD stand for in the tree that they are taken from.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerstore/tree/tree.h"

namespace imgbuild::builder {

/// A file or directory to copy. Links are followed: it is never one.
struct SourceMatch {
    ImagePath path;                                    ///< in the source tree, links followed
    std::string name;                                  ///< what it is called where it was found, links not followed
    layerstore::Entry entry;                           ///< never of a symlink
    std::shared_ptr<const layerstore::Subtree> below;  ///< of a directory, else null
};

/// The object at `path`, in which nothing is a wildcard; empty when there is none, or a link to nothing.
std::optional<SourceMatch> find_source(const layerstore::Tree& tree, std::string_view path);

/// All that a pattern with wildcards matches, in the order of a walk. What is matched is a unit: its own content is
/// not looked through. Components before the first wildcard are taken as they are, a backslash in them too.
/// Error{usage} for a malformed pattern, Error{not_found} for a matching link to nothing.
std::vector<SourceMatch> match_sources(const layerstore::Tree& tree, std::string_view pattern);

}  // namespace imgbuild::builder
