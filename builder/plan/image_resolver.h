// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the planner asks of the outside: an image for a name. Planning needs its config only; its layers are
// brought to the store when a step or an output needs their bytes.

#include <memory>
#include <string>
#include <string_view>

#include "layerstore/image/image.h"

namespace imgbuild::builder {

/// Brings blobs of one image to the store.
class BlobProvider {
  public:
    virtual ~BlobProvider() = default;
    /// Afterwards the blob stands in the store, verified. Thread-safe. Throws Error that names the image.
    virtual void bring(const layerstore::Descriptor& blob) = 0;
};

struct ResolvedImage {
    std::string name;  ///< as messages call it: "debian:bookworm", "oci-layout:///path"
    layerstore::Image image;
    std::shared_ptr<BlobProvider> blobs;
};

class ImageResolver {
  public:
    virtual ~ImageResolver() = default;
    /// The image called `reference`. Throws Error{usage} for what is no reference, Error{unavailable} when nobody
    /// has it or its registry cannot be asked.
    virtual std::shared_ptr<const ResolvedImage> resolve(const std::string& reference,
                                                         const layerstore::Platform& platform) = 0;
    /// The image in an OCI layout: "PATH[:TAG|@DIGEST]".
    virtual std::shared_ptr<const ResolvedImage> resolve_layout(const std::string& place,
                                                                const layerstore::Platform& platform) = 0;
};

}  // namespace imgbuild::builder
