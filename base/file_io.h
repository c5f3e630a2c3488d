// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reading and writing at a place in a file, whole and whatever signals come. `what` names the file in errors; each
// function throws Error.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

namespace imgbuild {

/// Writes all of `bytes` from `offset` on.
void write_at(int fd, std::span<const std::byte> bytes, std::uint64_t offset, std::string_view what);

/// Writes what `read` gives, until it gives nothing, to an empty file by way of `buffer`: blocks of 4,096 zero bytes
/// become holes. `read` fills a part of what it is given and says how many bytes.
void write_with_holes(int fd, const std::function<std::size_t(std::span<std::byte>)>& read, std::span<std::byte> buffer,
                      std::string_view what);

/// A part of a file that has bytes; what lies between such parts is a hole.
struct DataRange {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};
/// The first such part at or after `offset`; empty where there is nothing but a hole until the end.
std::optional<DataRange> next_data(int fd, std::uint64_t offset, std::string_view what);

/// Copies a part of one file to the same place in another, inside the kernel where it can.
void copy_range(int from, int to, const DataRange& range, std::string_view what);

}  // namespace imgbuild
