// SPDX-License-Identifier: Apache-2.0
#pragma once

// The algebra of trees: pure functions, the heart of the builder. For all trees a and b:
//   apply(a, difference(a, b)) == b     difference(a, a) is empty
//   apply(Tree{}, as_delta(t)) == t     select(graft(a, p, s), p) == s where p is not the root
// Each costs what it touches: directories that neither side changed are shared, not visited.

#include <vector>

#include "layerstore/tree/tree.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::layerstore {

/// `base` with `delta` on top, as a union of layers shows it. A put below a missing directory makes it
/// (0755, root, default_file_time), one below a non-directory replaces that.
Tree apply(const Tree& base, const TreeDelta& delta);

/// The smallest delta that turns `from` into `to`, times included.
TreeDelta difference(const Tree& from, const Tree& to);

/// A whole tree as a delta on nothing.
TreeDelta as_delta(const Tree& tree);

/// The directory at `path` as a tree of its own; Error{not_found} when there is none.
Tree select(const Tree& tree, const ImagePath& path);

/// `base` with the directory at `path` replaced by `subtree`, parents made where missing.
Tree graft(const Tree& base, const ImagePath& path, const Tree& subtree);

/// `delta` without the changes that change nothing on `base` but times: puts of what stands there already,
/// removals of what does not. (An overlay upper directory is full of those.) Groups keep their members.
struct Normalised {
    TreeDelta delta;
    std::vector<ImagePath> dropped;  ///< in path order
};
Normalised normalise(const TreeDelta& delta, const Tree& base);

}  // namespace imgbuild::layerstore
