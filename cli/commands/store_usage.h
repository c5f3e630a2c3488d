// SPDX-License-Identifier: Apache-2.0
#pragma once

// What takes the space of a store, by part, image and layer.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "layerstore/store/store.h"

namespace imgbuild::cli {

struct StorePart {
    std::string name;
    std::uint64_t bytes = 0;
    std::string what;
};

struct ImageUsage {
    std::string name;
    std::uint64_t bytes = 0;   ///< of its blobs
    std::uint64_t unique = 0;  ///< of those that no other image holds
};
struct LayerUsage {
    std::uint64_t bytes = 0;
    std::set<std::string> images;
};

/// Everything that du can say.
struct StoreUsage {
    std::vector<StorePart> parts;  ///< "images" and "cache" are the blobs
    std::uint64_t total = 0;
    std::uint64_t hidden = 0;
    std::vector<ImageUsage> images;                          ///< the largest first
    std::vector<std::pair<Digest, LayerUsage>> layers;       ///< of images; the largest first
    std::optional<std::uint64_t> unused, unused_with_cache;  ///< what prune would free; unknown where it may not
};

/// Looks at every file of the store; what comes and goes meanwhile may or may not count.
StoreUsage measure_store(layerstore::Store& store);

}  // namespace imgbuild::cli
