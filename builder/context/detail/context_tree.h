// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a scan found, as a Tree.

#include "builder/context/detail/found.h"
#include "layerstore/tree/tree.h"

namespace imgbuild::builder {

enum class ContextTimes { first_seen, own };

/// Everything included, owned by 0:0; with `git_modes`, 0644 and 0755 only.
layerstore::Tree context_tree(const FoundPaths& found, bool git_modes, ContextTimes times);

}  // namespace imgbuild::builder
