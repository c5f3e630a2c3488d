// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the blobs of an image come to the store: from its registry, from a layout, from the program itself.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "builder/plan/image_resolver.h"
#include "layerstore/image/reference.h"
#include "layerstore/store/store.h"

namespace imgbuild::builder::detail {

/// The blobs that are on their way to one store: stages that need the same layer at once fetch it once. Thread-safe.
class BlobsUnderWay {
  public:
    /// Calls `fetch`, which brings the blob, unless it stands in `store`. While another thread fetches it, waits for
    /// that, and tries itself where that failed.
    void once(const layerstore::BlobStore& store, const layerstore::Descriptor& blob,
              const std::function<void()>& fetch);

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<Digest> under_way_;
};

/// What a provider needs. The store is borrowed and outlives it.
struct BlobPlace {
    layerstore::Store& store;
    std::shared_ptr<BlobsUnderWay> under_way;
    std::string what;  ///< "image debian:bookworm": begins its errors
};

/// From the registry of `reference`. With a `refusal` that is not empty no registry is asked: a blob that is not in
/// the store is Error{unavailable}, and that its hint.
std::shared_ptr<BlobProvider> registry_blobs(BlobPlace place, layerstore::Reference reference, std::string refusal);

/// From the layout in `directory`.
std::shared_ptr<BlobProvider> layout_blobs(BlobPlace place, const Directory& directory);

/// Those of default_base(), made again.
std::shared_ptr<BlobProvider> embedded_blobs(BlobPlace place);

}  // namespace imgbuild::builder::detail
