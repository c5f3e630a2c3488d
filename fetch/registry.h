// SPDX-License-Identifier: Apache-2.0
#pragma once

// The read side of the OCI distribution specification: manifests and blobs, from the first registry that has them of
// those that the configuration names.

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/stream.h"
#include "fetch/transfer.h"
#include "layerstore/image/reference.h"

namespace imgbuild::fetch {

/// The header line by which a manifest or index of any type that images have is asked for.
std::string accept_manifests();

/// Which of the endpoints of a route are asked. An endpoint that gave something is likely to have the rest.
struct Turn {
    std::string first;     ///< its base begins the round, if the route has it
    std::size_t skip = 0;  ///< how many of the round were asked before
};

struct FetchedFrom {
    Fetched fetched;
    std::string base;  ///< of the endpoint that gave it
};

/// Bytes were written before an endpoint failed or turned out to give wrong ones, so that only who reads them can have
/// the next one asked.
class AskNext final : public Error {
  public:
    AskNext(const Error& error, std::size_t skip) : Error(error), skip_(skip) {}
    /// What Turn::skip has to be.
    std::size_t skip() const noexcept { return skip_; }

  private:
    std::size_t skip_;
};

/// A manifest or an index of any type that images have, at most `limit` bytes. Endpoints are asked in turn, all but the
/// last once; the Error is that of the last one and says what the others did. Error{invalid_input} when the reference
/// holds a digest and the bytes are others; else as transfer(). `out` gets bytes only once all came.
FetchedFrom fetch_manifest(HttpClient& client, const layerstore::Reference& reference, std::uint64_t limit,
                           const Turn& turn, ByteWriter& out);

/// As fetch_manifest(), and empty where the registry does not have it, and nobody before it. `to_replace`: of the
/// registry that a push goes to and with the rights of one, for who is about to put another in its place.
std::optional<FetchedFrom> find_manifest(HttpClient& client, const layerstore::Reference& reference, bool to_replace,
                                         std::uint64_t limit, ByteWriter& out);

/// The blob of `size` bytes that the digest of `reference` names. Errors as above; bytes that are not those of the
/// digest are told at the end, after they were written. AskNext where another endpoint may do better.
FetchedFrom fetch_blob(HttpClient& client, const layerstore::Reference& reference, std::uint64_t size, const Turn& turn,
                       ByteWriter& out);

}  // namespace imgbuild::fetch
