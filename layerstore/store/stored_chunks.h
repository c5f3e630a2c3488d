// SPDX-License-Identifier: Apache-2.0
#pragma once

// The chunks of a store's layers, for packing the next one.

#include "layerstore/layer/packed_chunk.h"
#include "layerstore/store/store.h"

namespace imgbuild::layerstore {

class StoredChunks final : public ChunkSource {
  public:
    /// `store` is borrowed.
    explicit StoredChunks(Store& store) : store_(store) {}

    std::optional<Found> find(const Digest& key) override;
    bool has(const Digest& key) override;

  private:
    Store& store_;
};

}  // namespace imgbuild::layerstore
