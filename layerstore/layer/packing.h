// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a TreeDelta to a layer blob: the canonical tar, hashed for the diff ID, cut into chunks at places that
// depend on paths and sizes alone, the chunks compressed independently on all cores and put back in order
// (design and figures: docs/formats/layer.md). The bytes do not depend on the number of
// threads, and memory does not depend on the size of files.

#include <cstdint>
#include <vector>

#include "base/compression.h"
#include "base/digest.h"
#include "base/stream.h"
#include "base/task_pool.h"
#include "layerstore/layer/format_version.h"
#include "layerstore/layer/packed_chunk.h"
#include "layerstore/tree/content_source.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::layerstore {

struct PackOptions {
    Compression compression = Compression::gzip;
    int level = 4;
    FormatVersion format = newest_format;
};

struct PackedLayer {
    DiffId diff_id;
    std::uint64_t tar_size = 0;  ///< bytes
    /// Those that a later layer may use again; none where pack_layer() was given no earlier ones.
    std::vector<PackedChunk> chunks;
};

/// Packs `delta` into `out`. Chunks run on `pool`; the caller's thread hashes and writes, in order, and must
/// not be a thread of `pool`. Chunks that `earlier` holds are taken from there, and the files in them are not read;
/// null where nothing is to be kept for later either. Throws what contents and `out` throw; nothing runs on the pool afterwards.
PackedLayer pack_layer(const TreeDelta& delta, ContentSources& contents, const PackOptions& options, TaskPool& pool,
                       ByteWriter& out, ChunkSource* earlier = nullptr);

}  // namespace imgbuild::layerstore
