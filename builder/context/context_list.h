// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is in a context directory and what its ignore rules leave out, for people: nothing is read but names.

#include <cstdint>
#include <string>
#include <vector>

#include "base/directory.h"
#include "layerstore/tree/entry.h"
#include "parser/ignore/ignore_rules.h"

namespace imgbuild::builder {

struct ListedPath {
    std::string path;  ///< relative to the context, without a leading slash
    layerstore::EntryKind kind = layerstore::EntryKind::file;
    std::uint64_t size = 0;     ///< bytes; files only
    std::size_t rule_line = 0;  ///< of the ignore rule that leaves it out; 0 where it is in the context
    bool is_included() const noexcept { return rule_line == 0; }
};

/// In path order. A directory that is left out with all that it holds is one entry, and is not looked into; one that
/// holds something which an exception takes back is in the context. Links are not followed. Error{denied} for a
/// directory of the context that cannot be read.
std::vector<ListedPath> list_context(const Directory& root, const parser::IgnoreRules& ignore);

}  // namespace imgbuild::builder
