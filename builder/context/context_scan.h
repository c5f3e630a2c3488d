// SPDX-License-Identifier: Apache-2.0
#pragma once

// A build context, a directory of the user's, as a Tree. Everything is looked up below the held directory and no
// link is ever followed by the kernel, so that nothing outside it is reached.
//
// What was hashed before is not read again: a flat index file per context maps each file's identity (size, mtime,
// ctime, inode, device) to its digest, see docs/formats/context-index.md. The index is a memo: without it, or with
// a damaged one, the same content comes out.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/directory.h"
#include "base/image_path.h"
#include "base/task_pool.h"
#include "layerstore/tree/content_source.h"
#include "layerstore/tree/tree.h"
#include "parser/ignore/ignore_rules.h"

namespace imgbuild::builder {

struct ContextOptions {
    /// Borrowed; null where nothing is ignored.
    const parser::IgnoreRules* ignore = nullptr;
    /// Only these paths and what lies below them are scanned, with the directories that lead to them; the root
    /// means everything. A link on the way to one, at one, or directly inside one is in the tree, and what it
    /// points at inside the context is wanted too. A path that does not exist is no error.
    std::vector<ImagePath> wanted;
    /// Modes as git keeps them: 0755 for directories and for files that their owner may execute, else 0644.
    bool git_modes = false;
    bool own_times = false;  ///< ScannedContext::own_times is wanted
    /// A file that changed less than this before the scan began is hashed again by the next one: a second change
    /// within one tick of its file system's clock could not be told from the first. 2 s is FAT's tick.
    std::chrono::nanoseconds racy_margin = std::chrono::seconds(2);
};

struct ScannedContext {
    /// Owned by 0:0, the root 0755. The time of an entry is when this store first saw that kind, mode and content
    /// at that path; the names of a hard-linked file have the latest of theirs. Sockets are empty files.
    layerstore::Tree tree;
    /// The same, each entry with the time that it has itself; the root, of which nobody says one, with the constant.
    std::optional<layerstore::Tree> own_times;
    /// Opens the tree's files by digest; holds the directory open. Thread-safe.
    std::shared_ptr<layerstore::ContentSource> contents;
    std::uint64_t files = 0;  ///< regular files in the tree, a hard-linked one once
    std::uint64_t bytes = 0;  ///< of those
    std::uint64_t hashed_files = 0;
    std::uint64_t hashed_bytes = 0;
};

/// Scans `root`, hashing on `pool` and on the calling thread (which may be one of the pool's). `indexes` is the
/// folder contexts/ of the store; an index that cannot be written there is done without.
/// Throws Error{denied} naming a wanted file that cannot be read, Error{invalid_input} naming one that changed
/// while it was read, Error{interrupted}.
ScannedContext scan_context(const Directory& root, const ContextOptions& options, const Directory& indexes,
                            TaskPool& pool);

}  // namespace imgbuild::builder
