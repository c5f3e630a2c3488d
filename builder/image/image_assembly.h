// SPDX-License-Identifier: Apache-2.0
#pragma once

// From finished layers to an image: manifest, config and history as BuildKit spells them, with times that depend on
// the inputs only (docs/reproducible.md).

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "layerstore/blob/blob_store.h"
#include "layerstore/image/image.h"
#include "layerstore/layer/format_version.h"
#include "layerstore/tree/entry.h"

namespace imgbuild::builder {

/// A layer whose blob stands in the store, or is known to stand where its image came from.
struct FinishedLayer {
    layerstore::Descriptor blob;
    DiffId diff_id;
};

struct AssemblyRequest {
    layerstore::ImageConfig config;     ///< without diff IDs; its history is complete but for new entries' times
    std::size_t base_history = 0;       ///< leading entries that came with the base and stay as they are
    std::vector<FinishedLayer> layers;  ///< lowest first, those of the base included
    std::size_t base_layers = 0;
    layerstore::FileTime created;                    ///< of the image and of new history entries
    std::map<std::string, std::string> annotations;  ///< of the manifest; OCI's gets format_annotation besides
    layerstore::FormatVersion format = layerstore::newest_format;
    bool oci_media_types = true;  ///< else Docker's
    /// A member of the config that no specification knows, and its text; empty for none.
    std::pair<std::string, std::string> extra_member;
};

/// The image; nothing is written.
layerstore::Image assemble_image(const AssemblyRequest& request);

struct AssembledIndex {
    layerstore::Descriptor descriptor;
    std::string bytes;
};
/// The index of `manifests`, which say their platforms, in their order; nothing is written.
AssembledIndex assemble_index(const std::vector<layerstore::Descriptor>& manifests,
                              const std::map<std::string, std::string>& annotations, bool oci_media_types);

/// Puts the image's config and manifest into `blobs`; its layers are there.
void write_documents(const layerstore::Image& image, const layerstore::BlobStore& blobs);

/// The same tar in another compression: what force-compression does to layers of a base. The caller brings the blob;
/// the result stands in `blobs`.
layerstore::Descriptor recompress(const layerstore::Descriptor& layer, const DiffId& diff_id, Compression compression,
                                  int level, const layerstore::BlobStore& blobs);

}  // namespace imgbuild::builder
