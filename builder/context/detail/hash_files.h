// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reading and hashing what the index does not know, on several threads, with one block of memory each.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/directory.h"
#include "base/task_pool.h"
#include "builder/context/detail/found.h"

namespace imgbuild::builder {

/// Opens the file at `path` ("/a/b") for reading, no link followed. Throws Error{invalid_input} when it is gone or no
/// path of files any more, Error{denied}.
Fd open_context_file(const Directory& root, std::string_view path);

/// Fills in content and attributes of `record`, whose identity says what the file at `path` was. Throws
/// Error{invalid_input} when it is not that any more, before or after it was read; Error{denied}.
void hash_file(const Directory& root, std::string_view path, IndexRecord& record, std::span<std::byte> block);

/// hash_file() on the entries with these indices. Of several failures the one first in `jobs` is thrown. The
/// calling thread works too, so that a pool whose threads are all busy, with callers of this even, is enough.
void hash_files(const Directory& root, FoundPaths& found, const std::vector<std::uint32_t>& jobs, TaskPool& pool);

}  // namespace imgbuild::builder
