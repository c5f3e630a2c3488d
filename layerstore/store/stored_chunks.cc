// SPDX-License-Identifier: Apache-2.0
#include "layerstore/store/stored_chunks.h"

#include "base/compression.h"

namespace imgbuild::layerstore {

// The blob may be damaged, or go while it is read: then the chunk is made again. What the sum does not see, which is about
// accidents, the checksum of the gzip member or zstd frame does.
std::optional<ChunkSource::Found> StoredChunks::find(const Digest& key) {
    const auto place = store_.records().find_chunk(key);
    if (!place) return std::nullopt;
    auto packed = store_.blobs().read_range(place->blob, place->chunk.offset, place->chunk.size);
    if (!packed || accident_sum(*packed) != place->chunk.sum) return std::nullopt;
    return Found{place->chunk, *std::move(packed)};
}

bool StoredChunks::has(const Digest& key) {
    const auto place = store_.records().find_chunk(key);
    return place && store_.blobs().has(place->blob);
}

}  // namespace imgbuild::layerstore
