// SPDX-License-Identifier: Apache-2.0
#pragma once

// The read side of the OCI distribution specification: manifests and blobs.

#include <cstdint>
#include <optional>

#include "base/stream.h"
#include "fetch/transfer.h"
#include "layerstore/image/reference.h"

namespace imgbuild::fetch {

/// The header line by which a manifest or index of any type that images have is asked for.
std::string accept_manifests();

/// A manifest or an index of any type that images have, at most `limit` bytes. Error{invalid_input} when the
/// reference holds a digest and the bytes are others; else as transfer(). `out` gets bytes only once all came.
Fetched fetch_manifest(HttpClient& client, const layerstore::Reference& reference, std::uint64_t limit,
                       ByteWriter& out);

/// As fetch_manifest(), and empty where the repository does not have it. `to_replace`: with the rights of who is about
/// to push one in its place.
std::optional<Fetched> find_manifest(HttpClient& client, const layerstore::Reference& reference, bool to_replace,
                                     std::uint64_t limit, ByteWriter& out);

/// The blob of `size` bytes that the digest of `reference` names. Errors as above; bytes that are not those of the
/// digest are told at the end, after they were written.
Fetched fetch_blob(HttpClient& client, const layerstore::Reference& reference, std::uint64_t size, ByteWriter& out);

}  // namespace imgbuild::fetch
