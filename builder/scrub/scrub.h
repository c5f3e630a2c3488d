// SPDX-License-Identifier: Apache-2.0
#pragma once

// --repro=strict: what commands leave that is another thing each time and that nobody misses. One table, with reasons;
// docs/reproducible.md prints it, and a test compares the two. It is part of the format version and of the keys of RUN.
//
// Nothing is rewritten: a regular file that the table names and that is not empty is as if the command had not written
// it. One that was there before stays as it was, one that is new is not there. Everything else stays: directories, links,
// and what a command removed.

#include <cstddef>
#include <span>
#include <string_view>

#include "base/image_path.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::builder {

struct ScrubRule {
    std::string_view
        begins;             ///< of a path, "/var/cache/man/"; a whole path where `ends` is empty and it ends in no '/'
    std::string_view ends;  ///< of the same path; may be empty
    std::string_view kind;  ///< as reports of differences call it
    std::string_view why;   ///< what is in it that differs, and why nothing needs it
};

/// In the order of the page. The first that fits counts.
std::span<const ScrubRule> scrub_rules() noexcept;

/// What keys of RUN say; goes up with every change of the table.
inline constexpr std::string_view scrub_version = "strict 1";

/// The rule that names `path`; null for most.
const ScrubRule* scrub_rule_for(const ImagePath& path) noexcept;

struct Scrubbed {
    layerstore::TreeDelta delta;
    std::size_t files = 0;  ///< that were taken away
};
/// What a command left, less what the table names.
Scrubbed scrub(const layerstore::TreeDelta& changes);

}  // namespace imgbuild::builder
