// SPDX-License-Identifier: Apache-2.0
#pragma once

// The walk over a context: one sorted pass over the directories in step with the index, one look per path.

#include "base/directory.h"
#include "base/task_pool.h"
#include "builder/context/detail/context_index.h"
#include "builder/context/detail/found.h"
#include "builder/context/detail/wanted_paths.h"
#include "parser/ignore/ignore_rules.h"

namespace imgbuild::builder {

struct WalkOptions {
    const parser::IgnoreRules* ignore = nullptr;  ///< borrowed; null where nothing is ignored
    layerstore::FileTime settled_before;          ///< files that changed later are not trusted the next time
};

/// Finds what is wanted and not ignored, with everything known of it but the bytes of files that the index cannot
/// vouch for (Found::known). Threads of `pool` that are free look into directories ahead of the walk. Throws
/// Error{denied} for what is wanted and unreadable, Error{interrupted}.
FoundPaths walk_context(const Directory& root, const WantedPaths& wanted, const ContextIndex& index,
                        const WalkOptions& options, TaskPool& pool);

}  // namespace imgbuild::builder
