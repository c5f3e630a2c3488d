// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many bytes this process hashed, compressed and decompressed: what shows that nothing is done twice without a
// reason. Counters of the whole process; any thread may count.

#include <cstdint>

namespace imgbuild {

enum class Work : std::uint8_t { hash, compress, decompress };

/// Bytes that went into hashes and compressors, and that came out of decompressors.
struct WorkCount {
    std::uint64_t hashed = 0;
    std::uint64_t compressed = 0;
    std::uint64_t decompressed = 0;
};

void count_work(Work work, std::uint64_t bytes) noexcept;
/// What was counted until now, by another process if it said so with count_work().
WorkCount work_count() noexcept;

}  // namespace imgbuild
