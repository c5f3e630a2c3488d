// SPDX-License-Identifier: Apache-2.0
#pragma once

// How much of what others made is taken: what is larger is refused with an error that names the object and the limit.
// docs/limits.md has these numbers for users. Headers that everything includes repeat theirs, and do not compile when
// they differ.

#include <cstddef>
#include <cstdint>

namespace imgbuild::limits {

// Paths and names, of the kernel: PATH_MAX and NAME_MAX. A path has at most path_bytes / 2 levels.
inline constexpr std::size_t path_bytes = 4096;
inline constexpr std::size_t name_bytes = 255;
/// Symbolic links followed in one lookup, as the kernel does.
inline constexpr int followed_links = 40;

// JSON documents.
inline constexpr std::size_t json_bytes = std::size_t{8} << 20;
inline constexpr std::size_t json_depth = 64;

// Archives that are layers. What we write keeps to these as well: it has to be read again.
inline constexpr std::uint64_t archive_entries = 4'000'000;
/// Decompressed, and so of a file in it.
inline constexpr std::uint64_t archive_bytes = std::uint64_t{1} << 40;
/// One pax header.
inline constexpr std::size_t pax_bytes = std::size_t{1} << 20;
/// Runs of data in one sparse file.
inline constexpr std::size_t sparse_extents = 65536;

// Decompression.
/// Bytes before the ratio counts.
inline constexpr std::uint64_t free_output = std::uint64_t{64} << 20;
/// Decompressed bytes for a compressed one.
inline constexpr std::uint64_t unpack_ratio = 1000;
/// Binary logarithm of the bytes that zstd looks back: 128 MiB.
inline constexpr int zstd_window_log = 27;

}  // namespace imgbuild::limits
