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
/// (0755, root, default_file_time), one below a non-directory replaces that. A removal of nothing does nothing.
Tree apply(const Tree& base, const TreeDelta& delta);

/// The smallest delta that turns `from` into `to`, times included.
TreeDelta difference(const Tree& from, const Tree& to);

/// A whole tree as a delta on nothing.
TreeDelta as_delta(const Tree& tree);

/// The directory at `path` as a tree of its own; Error{not_found} when there is none. Of a set of hard links those
/// inside stay one file (docs/decisions/0007).
Tree select(const Tree& tree, const ImagePath& path);

/// `base` with the directory at `path` replaced by `subtree`, parents made where missing.
Tree graft(const Tree& base, const ImagePath& path, const Tree& subtree);

/// The one spelling of what `delta` does to `base`, times left aside: puts of what differs, removals of what is
/// gone, no opaque directories. It depends on nothing but `base` and apply(base, delta), so that an overlay upper
/// directory (full of copies and opaque marks) and a comparison of two trees come to the same delta. Hard links
/// of the base stay where their files stand unchanged, because overlay breaks links that no step meant to break.
struct Normalised {
    TreeDelta delta;
    std::vector<ImagePath> dropped;  ///< what `delta` changes and the result does not, in path order
};
Normalised normalise(const TreeDelta& delta, const Tree& base);

}  // namespace imgbuild::layerstore
