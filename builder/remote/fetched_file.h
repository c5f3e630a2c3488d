// SPDX-License-Identifier: Apache-2.0
#pragma once

// What an URL gives, as a blob of the store.

#include <memory>
#include <string>

#include "builder/remote/access.h"
#include "layerstore/tree/content_source.h"

namespace imgbuild::builder {

struct RemoteFile {
    FetchedContent content;  ///< its blob is leased
    bool cached = false;     ///< nothing was sent: the checksum is known, or the server says that nothing changed
};

/// Fetches an http or https URL. `checksum` is "sha256:HEX" or empty; what the Buildfile pins is fetched once. Anything
/// else is asked for each time, by the name or time of the version that is here (ETag, Last-Modified), and offline
/// taken as it is here. Error{usage} where the checksum is no digest, Error{unavailable} where the bytes have another
/// one or nothing may be fetched.
RemoteFile fetch_to_store(const std::string& url, const std::string& checksum, RemoteAccess& access);

/// Opens the bytes of what was fetched; `store` is borrowed.
std::shared_ptr<layerstore::ContentSource> contents_of(const FetchedContent& content, const std::string& url,
                                                       layerstore::Store& store);

}  // namespace imgbuild::builder
