// SPDX-License-Identifier: Apache-2.0
#pragma once

// The read side of the OCI distribution specification: manifests and blobs.

#include <cstdint>

#include "base/stream.h"
#include "fetch/transfer.h"
#include "layerstore/image/reference.h"

namespace imgbuild::fetch {

/// The line of a request that takes a manifest or an index of any type that images have.
std::string accept_header();

/// A manifest or an index of any type that images have, at most `limit` bytes. Error{invalid_input} when the
/// reference holds a digest and the bytes are others; else as transfer(). `out` gets bytes only once all came.
Fetched fetch_manifest(HttpClient& client, const layerstore::Reference& reference, std::uint64_t limit,
                       ByteWriter& out);

/// The blob of `size` bytes that the digest of `reference` names. Errors as above; bytes that are not those of the
/// digest are told at the end, after they were written.
Fetched fetch_blob(HttpClient& client, const layerstore::Reference& reference, std::uint64_t size, ByteWriter& out);

}  // namespace imgbuild::fetch
