// SPDX-License-Identifier: Apache-2.0
#pragma once

// Artifacts: files at a registry under a manifest, and what they are about (image-spec manifest.md, "Guidelines for
// Artifact Usage").

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "layerstore/blob/blob_store.h"
#include "layerstore/image/descriptor.h"

namespace imgbuild::builder {

struct ArtifactFile {
    std::string path;        ///< of this machine
    std::string media_type;  ///< of its bytes
};

struct ArtifactRequest {
    std::string type;  ///< its artifactType
    std::vector<ArtifactFile> files;
    std::optional<layerstore::Descriptor> subject;
    std::map<std::string, std::string> annotations;
};

/// Puts files and manifest into `blobs`; equal files and requests give equal manifests. Files are titled by the last
/// part of their paths. Error{not_found} and its like where a file cannot be read.
layerstore::Descriptor put_artifact(const ArtifactRequest& request, const layerstore::BlobStore& blobs);

/// True for "type/subtype" in the letters of RFC 6838.
bool is_media_type(std::string_view text) noexcept;

}  // namespace imgbuild::builder
