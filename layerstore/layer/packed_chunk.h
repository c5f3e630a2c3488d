// SPDX-License-Identifier: Apache-2.0
#pragma once

// Chunks of layers that were packed before: what has not changed is not compressed again (docs/formats/layer.md).

#include <cstdint>
#include <optional>
#include <string>

#include "base/digest.h"

namespace imgbuild::layerstore {

/// A chunk as it lies in a layer blob.
struct PackedChunk {
    Digest key;                  ///< of what it was made of: headers, contents, compressor and level
    std::uint64_t sum = 0;       ///< accident_sum() of the compressed bytes
    std::uint64_t offset = 0;    ///< bytes from the begin of the blob
    std::uint64_t size = 0;      ///< compressed bytes
    std::uint64_t tar_size = 0;  ///< bytes of the tar
};

/// Where chunks of earlier layers are found. Thread-safe.
class ChunkSource {
  public:
    virtual ~ChunkSource() = default;

    struct Found {
        PackedChunk chunk;
        std::string packed;  ///< its compressed bytes, of which chunk.sum is the sum
    };
    /// Empty where no layer holds such a chunk any more, or holds it damaged.
    virtual std::optional<Found> find(const Digest& key) = 0;
    /// True where find() most likely finds it.
    virtual bool has(const Digest& key) = 0;
};

}  // namespace imgbuild::layerstore
