// SPDX-License-Identifier: Apache-2.0
// The encodings of the store: the input as a delta, as a tree's node and as a link table. A delta that is accepted
// encodes to the same bytes.
#include "layerstore/tree/tree.h"
#include "layerstore/tree/tree_delta.h"
#include "tests/fuzz/fuzz_target.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;

namespace {

/// Answers every question with the input.
class InputSource final : public NodeSource {
  public:
    explicit InputSource(std::string_view bytes) : bytes_(bytes) {}
    std::string load_node(const TreeId&) const override { return std::string(bytes_); }
    std::string load_links(const Digest&) const override { return std::string(bytes_); }

  private:
    std::string_view bytes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = fuzz::text_of(data, size);
    TreeDelta delta;
    if (fuzz::accepts([&] { delta = TreeDelta::decode(bytes); }))
        fuzz::require(delta.encode() == bytes, "a delta has one encoding");

    const InputSource source(bytes);
    // No input is its own identity, so that a node is always refused in the end; it must be read until then.
    const auto node = Subtree::lazy(TreeId{Sha256::of(bytes)}, ContentId{Sha256::of(bytes)}, source);
    fuzz::accepts([&] { node->children(); });

    const Tree tree = Tree::from_ref({.root = Tree().root_entry(),
                                      .node = Subtree::empty()->id(),
                                      .content_node = Subtree::empty()->content_id(),
                                      .links = Sha256::of(bytes)},
                                     source);
    fuzz::accepts([&] { tree.links(); });
    return 0;
}
