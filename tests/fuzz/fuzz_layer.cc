// SPDX-License-Identifier: Apache-2.0
// The tar of a layer, on an empty tree. What is taken becomes a delta that survives its own encoding and can be
// applied.
#include "base/stream.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/tree/algebra.h"
#include "tests/fuzz/fuzz_target.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    MemoryReader tar(fuzz::text_of(data, size));
    TreeDelta delta;
    if (!fuzz::accepts([&] { delta = read_layer(tar, Tree(), "layer"); })) return 0;
    fuzz::require(TreeDelta::decode(delta.encode()) == delta, "a delta survives its encoding");
    Tree tree;
    fuzz::require(fuzz::accepts([&] { tree = apply(Tree(), delta); }), "a layer on nothing can be applied");
    std::size_t walked = 0;
    tree.walk([&](const ImagePath&, const Child&) { return ++walked != 0; });
    fuzz::require(walked == tree.count_entries(), "every entry is walked once");
    return 0;
}
