// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the property tests of snapshots share.

#include "base/stream.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/tree/random_trees.h"

namespace imgbuild::layerstore::test {

/// `delta`, whose contents are those of `random`, as a layer in `out`.
inline void lay_down(const TreeDelta& delta, const RandomTrees& random, const Directory& out,
                     OverlaySpelling spelling) {
    ContentSources sources;
    sources.add(random.contents());
    MemoryWriter tar;
    write_layer(delta, sources, tar);
    MemoryReader reader(tar.bytes());
    write_upper(reader, out, spelling);
}

}  // namespace imgbuild::layerstore::test
