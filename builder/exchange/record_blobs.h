// SPDX-License-Identifier: Apache-2.0
#pragma once

// Blobs of records, brought from a place and kept in the store, so that a cache that did not change costs one request.

#include <string>

#include "builder/exchange/cache_place.h"
#include "layerstore/blob/blob_store.h"

namespace imgbuild::builder {

/// The bytes of a blob of records, or of a document, verified; at most `limit`. Error{invalid_input} for more, and for
/// what is not what the descriptor says.
std::string read_record_blob(CachePlace& place, const layerstore::Descriptor& blob, std::uint64_t limit,
                             const layerstore::BlobStore& store);

}  // namespace imgbuild::builder
