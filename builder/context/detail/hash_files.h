// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reading and hashing what the index does not know, on several threads, with one block of memory each.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/directory.h"
#include "base/stream.h"
#include "base/task_pool.h"
#include "builder/context/detail/found.h"

namespace imgbuild::builder {

/// Opens the file at `path` ("/a/b") for reading, no link followed. Throws Error{invalid_input} when it is gone or no
/// path of files any more, Error{denied}.
Fd open_context_file(const Directory& root, std::string_view path);

/// Reads a regular file that should have `size` bytes. A read that brings these, and less than it could take, has reached
/// the end: no other one asks again, which for most files is one call of two. `path` is for errors alone, and borrowed: to
/// write it for people costs more than to read a small file.
class KnownFileReader final : public ByteReader {
  public:
    KnownFileReader(int borrowed, std::uint64_t size, std::string_view path)
        : file_(borrowed, "the file"), size_(size), path_(path) {}
    std::size_t read(std::span<std::byte> buffer) override;

  private:
    FdReader file_;
    std::uint64_t size_;
    std::string_view path_;
    std::uint64_t count_ = 0;
    bool at_end_ = false;
};

/// Fills in content and attributes of `record`, whose identity says what the file at `path` was. Throws
/// Error{invalid_input} when it is not that any more, before or after it was read; Error{denied}.
void hash_file(const Directory& root, std::string_view path, IndexRecord& record, std::span<std::byte> block);

/// hash_file() on the entries with these indices. Of several failures the one first in `jobs` is thrown. The
/// calling thread works too, so that a pool whose threads are all busy, with callers of this even, is enough.
void hash_files(const Directory& root, FoundPaths& found, const std::vector<std::uint32_t>& jobs, TaskPool& pool);

}  // namespace imgbuild::builder
