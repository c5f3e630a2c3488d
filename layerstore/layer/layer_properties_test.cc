// SPDX-License-Identifier: Apache-2.0
// The laws of the layer codec, on random deltas.
#include <doctest/doctest.h>

#include "layerstore/layer/layer_codec.h"
#include "layerstore/tree/random_trees.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;
using imgbuild::layerstore::test::for_each_seed;
using imgbuild::layerstore::test::RandomTrees;

namespace {

std::string tar_of(const TreeDelta& delta, const RandomTrees& random) {
    ContentSources sources;
    sources.add(random.contents());
    MemoryWriter out;
    write_layer(delta, sources, out);
    return out.take();
}

}  // namespace

TEST_CASE(
    "a layer's tar does what its delta does, that of a step comes back as it was, and equal deltas give equal tars") {
    for_each_seed(400, [](RandomTrees& random) {
        TreeDelta delta = random.delta();
        std::string tar = tar_of(delta, random);
        REQUIRE(tar_of(random.shuffled(delta), random) == tar);
        MemoryReader reader(tar);
        Tree base = random.tree();
        // Removals inside an opaque directory say nothing, and are not read.
        REQUIRE(apply(base, read_layer(reader, Tree(), "layer")) == apply(base, delta));
        TreeDelta step = difference(base, apply(base, delta));
        tar = tar_of(step, random);
        MemoryReader again(tar);
        REQUIRE(read_layer(again, base, "layer") == step);
    });
}
