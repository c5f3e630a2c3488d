// SPDX-License-Identifier: Apache-2.0
#pragma once

// ADD of a URL: the file as a blob of the store, and as a tree of one file.

#include <memory>

#include "builder/solve/services.h"

namespace imgbuild::builder {

struct FetchOutcome {
    layerstore::Tree tree;
    std::shared_ptr<layerstore::ContentSource> contents;
    bool cached = false;
};

/// A file whose checksum the Buildfile says is fetched once; any other each time, because nothing else tells whether
/// the server still gives the same, but for offline builds. Error{usage} where the checksum is no digest,
/// Error{unavailable} where the bytes have another one, or nothing may be fetched.
FetchOutcome fetch_file(const FetchUrl& fetch, Services& services, bool ignore_cache);

}  // namespace imgbuild::builder
