// SPDX-License-Identifier: Apache-2.0
#pragma once

// What one step did to a file system: entries put in place and paths taken away, in path order.
//
// A tar layer, an overlay upper directory and the difference of two trees are three spellings of a
// TreeDelta; only the codecs (layer/, snapshot/) know how each is spelt. A delta says nothing of what lay
// below it: apply() decides what a removal hides.
//
// Invariants, checked when a delta is made and relied on everywhere else:
//   - paths are strictly increasing in the order of ImagePath, so that a directory's content follows it at
//     once and a merge of two deltas is one pass;
//   - a path has one change; the root may only be put, as a directory;
//   - nothing lies below a path that the same delta puts as a non-directory or removes;
//   - link groups name at least two paths each, all put by this delta as equal files; no path is in two.
//
// Immutable after build(); any number of threads may read one.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/image_path.h"
#include "layerstore/tree/entry.h"

namespace imgbuild::layerstore {

enum class ChangeKind : std::uint8_t {
    put,     ///< the entry stands at the path; a directory keeps what lay below it, anything else replaces
    remove,  ///< nothing stands at the path or below it (OCI whiteout)
    empty,   ///< a put directory that hides everything the lower layers have below it (OCI opaque whiteout)
};

struct Change {
    ImagePath path;
    ChangeKind kind = ChangeKind::put;
    Entry entry;  ///< meaningless for remove
    friend bool operator==(const Change&, const Change&) = default;
};

/// Paths that are one file (hard links), in path order.
using LinkGroup = std::vector<ImagePath>;

class TreeDelta {
  public:
    TreeDelta() = default;

    /// Takes changes and groups in any order. Throws Error{invalid_input} that names the two paths when they
    /// break an invariant: hostile layers come through here, so this is a check and not an assertion.
    static TreeDelta build(std::vector<Change> changes, std::vector<LinkGroup> links = {});

    std::span<const Change> changes() const noexcept { return changes_; }
    /// Sorted by their first path.
    std::span<const LinkGroup> links() const noexcept { return links_; }
    bool empty() const noexcept { return changes_.empty(); }
    /// The change at `path`; null when there is none.
    const Change* find(const ImagePath& path) const noexcept;

    /// Bytes of all files put, each hard-linked file counted once.
    std::uint64_t content_bytes() const;

    /// docs/formats/tree.md, "delta".
    std::string encode() const;
    /// The digest of encode().
    DeltaId id() const;
    /// Throws Error{corrupt} for anything that encode() does not write. What it gives holds each path of `bytes`
    /// at most twice, and takes at most 64 times their size in memory.
    static TreeDelta decode(std::string_view bytes);

    friend bool operator==(const TreeDelta&, const TreeDelta&) = default;

  private:
    std::vector<Change> changes_;
    std::vector<LinkGroup> links_;
};

/// The same delta with every entry's time set to `time`.
TreeDelta with_times(const TreeDelta& delta, FileTime time);

}  // namespace imgbuild::layerstore
