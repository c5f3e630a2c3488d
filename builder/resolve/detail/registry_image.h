// SPDX-License-Identifier: Apache-2.0
#pragma once

// An image of a registry: its documents, verified, in the store. Its layers come when they are needed.

#include <string>

#include "builder/plan/image_resolver.h"
#include "layerstore/image/reference.h"
#include "layerstore/store/store.h"

namespace imgbuild::builder::detail {

struct PulledImage {
    layerstore::Descriptor document;  ///< what the reference names: a manifest, or the index that was searched
    layerstore::Image image;
};

/// Asks the registry of `reference`; `blobs` brings the config. Of an index only what leads to `platform` is fetched.
/// Error{unavailable} for what the registry did not give or gave wrongly, Error{not_found} naming the platforms that
/// there are, Error{invalid_input} for what is no image. `what` names the image in all of them.
PulledImage pull_image(layerstore::Store& store, const layerstore::Reference& reference,
                       const layerstore::Platform& platform, BlobProvider& blobs, const std::string& what);

}  // namespace imgbuild::builder::detail
