// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a TreeDelta to a layer blob: the canonical tar, hashed for the diff ID, cut into chunks at places that
// depend on paths and sizes alone, the chunks compressed independently on all cores and put back in order,
// hashed for the blob (design and figures: docs/formats/layer.md). The bytes do not depend on the number of
// threads, and memory does not depend on the size of files.

#include <cstdint>
#include <functional>
#include <string>

#include "base/compression.h"
#include "base/digest.h"
#include "base/stream.h"
#include "base/task_pool.h"
#include "layerstore/tree/content_source.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::layerstore {

struct PackOptions {
    Compression compression = Compression::gzip;
    int level = 4;
};

struct PackedLayer {
    DiffId diff_id;
    Digest blob;                  ///< digest of the compressed bytes
    std::uint64_t blob_size = 0;  ///< bytes
    std::uint64_t tar_size = 0;   ///< bytes
};

/// Packs `delta` into `out`. Chunks run on `pool`; the caller's thread hashes and writes, in order, and must
/// not be a thread of `pool`. Throws what contents and `out` throw; nothing runs on the pool afterwards.
PackedLayer pack_layer(const TreeDelta& delta, ContentSources& contents, const PackOptions& options, TaskPool& pool,
                       ByteWriter& out);

}  // namespace imgbuild::layerstore
