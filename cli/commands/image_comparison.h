// SPDX-License-Identifier: Apache-2.0
#pragma once

// What tells two images apart: layers, files and configs. Layers that both have are not read.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "builder/compare/layer_comparison.h"
#include "layerstore/image/image.h"

namespace imgbuild::cli {

/// What made a layer.
struct LayerOrigin {
    std::string step;   ///< "RUN make"; one safe line, may be empty
    std::string place;  ///< "Buildfile:5"; empty where it is not known
};

/// One of two images, and how to read it.
struct ImageSide {
    std::string name;  ///< for people
    layerstore::Image image;
    std::vector<LayerOrigin> origins;  ///< one for each layer
    /// A new reader of the tar of a layer. Throws Error.
    std::function<std::unique_ptr<ByteReader>(std::size_t layer)> open;
    /// What a layer says, where that is known without reading it; else null.
    std::function<std::shared_ptr<const layerstore::TreeDelta>(std::size_t layer)> known;
};

/// The steps of the image's own history; without any where that does not fit its layers.
std::vector<LayerOrigin> origins_of_history(const layerstore::Image& image);

/// A reader of the tar in a layer's blob, which it owns. The compression is that of the descriptor's media type.
std::unique_ptr<ByteReader> open_layer_tar(std::unique_ptr<ByteReader> blob, const layerstore::Descriptor& layer,
                                           const std::string& what);

/// Two layers that stand for each other, or one that has no counterpart.
struct LayerPair {
    std::optional<std::size_t> before, after;
    bool same_files = false;  ///< by diff ID
    bool same_blob = false;   ///< by digest: compressed alike, too
};

struct ConfigDifference {
    std::string key;  ///< "architecture", "config.Env", "history", "manifest.annotations"
    Json before;      ///< null where it has none
    Json after;
};

struct ImageComparison {
    std::vector<LayerPair> layers;  ///< lowest first
    /// EntryState::layer counts from the lowest layer of the image.
    std::vector<builder::FileDifference> files;
    std::vector<ConfigDifference> config;
    bool is_equal = false;      ///< one manifest, byte for byte
    bool knows_shared = false;  ///< files of shared layers were known, or there are none
};

/// How layers find their counterparts.
enum class Pairing {
    content,  ///< those that are equal, from below and from above; what is left is compared as two stacks
    place,    ///< the first with the first: of two builds of one plan
};

/// Layers are read into `scratch` where files differ. `options.below` is not looked at.
ImageComparison compare_images(const ImageSide& before, const ImageSide& after, Pairing pairing,
                               const Directory& scratch, builder::ComparisonOptions options);

}  // namespace imgbuild::cli
