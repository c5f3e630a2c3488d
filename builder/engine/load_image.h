// SPDX-License-Identifier: Apache-2.0
#pragma once

// One image into the engine of this machine, and of it only what is not there.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "builder/fetch/engine.h"
#include "layerstore/image/image.h"
#include "layerstore/store/store.h"

namespace imgbuild::builder {

struct EngineReport {
    std::string engine;            ///< "docker at unix:///var/run/docker.sock", "podman"
    bool was_there = false;        ///< the image was, and got its names
    std::size_t layers = 0;        ///< of the image
    std::size_t present = 0;       ///< layers that were there and were not sent; as far as it is known
    std::uint64_t sent_bytes = 0;  ///< 0 where the engine reads our store
};

/// Puts `image`, whose blobs stand in the store, into the engine under `names`, full references. `context`
/// names a docker context. Empty where there is neither an engine nor the program podman. Error{unavailable} where one was named that does not answer, or does not
/// take the image; Error{denied} where there is an engine that would not let us in, and no other.
std::optional<EngineReport> load_into_engine(layerstore::Store& store, const layerstore::Image& image,
                                             const std::vector<std::string>& names,
                                             const std::optional<std::string>& context);

/// How many of `layers`, diff IDs with the lowest first, an engine has that has images with the layers `known`: its
/// layers are chains, so that only what all layers below are the same for counts.
std::size_t shared_layers(const std::vector<DiffId>& layers, const std::vector<std::string>& known);

}  // namespace imgbuild::builder
