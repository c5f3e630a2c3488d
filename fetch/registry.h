// SPDX-License-Identifier: Apache-2.0
#pragma once

// The read side of the OCI distribution specification, anonymously: manifests and blobs, and the token that a
// registry wants even from those who have no account.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/stream.h"
#include "fetch/transfer.h"
#include "layerstore/image/reference.h"

namespace imgbuild::fetch {

/// A manifest or an index of any type that images have, at most `limit` bytes. Error{invalid_input} when the
/// reference holds a digest and the bytes are others; else as transfer(). `out` gets bytes only once all came.
Fetched fetch_manifest(HttpClient& client, const layerstore::Reference& reference, std::uint64_t limit,
                       ByteWriter& out);

/// The blob of `size` bytes that the digest of `reference` names. Errors as above; bytes that are not those of the
/// digest are told at the end, after they were written.
Fetched fetch_blob(HttpClient& client, const layerstore::Reference& reference, std::uint64_t size, ByteWriter& out);

/// What a WWW-Authenticate header of the scheme Bearer asks for.
struct BearerChallenge {
    std::string realm;
    std::string service;
    std::string scope;

    /// The challenge in `header` (RFC 9110, 11.6.1); empty when it is of another scheme or has no realm.
    static std::optional<BearerChallenge> parse(std::string_view header);
    /// Where the token is got.
    std::string address() const;
};

}  // namespace imgbuild::fetch
