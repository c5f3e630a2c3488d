// SPDX-License-Identifier: Apache-2.0
#pragma once

// The document {} that stands where an artifact has no config (image-spec manifest.md, "Guidance for an Empty
// Descriptor").

#include "layerstore/blob/blob_store.h"
#include "layerstore/image/descriptor.h"

namespace imgbuild::layerstore {

/// Puts it into `blobs`, for those who copy every blob, and gives its descriptor, which holds it as well.
Descriptor put_empty_document(const BlobStore& blobs);

}  // namespace imgbuild::layerstore
