// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a build needs from the network, through imgbuild-fetch: a process of its own for each request, so that any
// number of threads may ask at once. What a registry, a server or the network refuses or fails is
// Error{unavailable}, whatever the HTTP status was (the message says it): the kind by which a command tells that
// the network is to blame. Bytes that are larger than announced or not those of a digest are Error{invalid_input};
// a wish to stop kills the helper and is Error{interrupted}.

#include <cstdint>
#include <optional>
#include <string>

#include "base/digest.h"
#include "base/stream.h"
#include "layerstore/image/descriptor.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder {

struct FetchedDocument {
    std::string bytes;
    std::string media_type;  ///< as the registry's Content-Type says, without parameters
    Digest digest;           ///< of the bytes
};

/// The manifest or index that the tag or the digest of `reference` names, at most layerstore::max_manifest_bytes;
/// a digest is verified.
FetchedDocument fetch_manifest(const layerstore::Reference& reference);

/// Streams a blob of the repository of `reference` into `out` as it comes. The helper verifies size and digest, the
/// caller verifies again (BlobWriter::commit_expecting); only a return means that all bytes came.
void fetch_blob(const layerstore::Reference& reference, const layerstore::Descriptor& blob, ByteWriter& out);

struct FetchedFile {
    std::string file_name;  ///< the last part of the URL's path, one component; "__unnamed__" where it has none
    Digest digest;
    std::uint64_t size = 0;                     ///< bytes
    std::optional<std::int64_t> last_modified;  ///< seconds since 1970
};

/// Bytes that ADD takes from one URL at most: as one file in a layer.
inline constexpr std::uint64_t max_fetched_bytes = std::uint64_t{1} << 40;

/// Streams what an http or https URL gives into `out`.
FetchedFile fetch_url(const std::string& url, ByteWriter& out);

}  // namespace imgbuild::builder
