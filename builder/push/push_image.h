// SPDX-License-Identifier: Apache-2.0
#pragma once

// Images to registries: blobs, then configs, then manifests, then tags, and of all of them only what is not there. A
// layer that nobody needs the bytes of is neither brought nor sent.

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "layerstore/blob/blob_store.h"
#include "layerstore/image/descriptor.h"

namespace imgbuild::builder {

/// What is pushed, and what is known of its blobs. The documents of `root` stand in `blobs`.
struct PushSource {
    const layerstore::BlobStore& blobs;
    layerstore::Descriptor root;  ///< a manifest or an index
    /// Brings a blob to `blobs` that is not there; empty: all are. Called from several threads.
    std::function<void(const layerstore::Descriptor&)> bring = nullptr;
    /// A repository of the registry `domain` that may have the blob, or "". May be empty. Called from several threads.
    std::function<std::string(const std::string& domain, const Digest& blob)> find_repository = nullptr;
};

struct PushOptions {
    bool by_digest = false;  ///< tags are not set
    std::size_t jobs = 4;    ///< blobs at once
};

/// What went to one repository.
struct PushReport {
    std::string repository;         ///< "docker.io/library/app"
    std::vector<std::string> tags;  ///< that were set
    std::size_t present = 0;        ///< blobs that were there
    std::size_t mounted = 0;        ///< taken from another repository
    std::size_t uploaded = 0;
    std::uint64_t uploaded_bytes = 0;
};

/// Pushes to every repository that `names`, full references, speak of, in their order; `done` hears of each that is
/// finished. The first Error ends it: what was pushed stays, but no tag is set before everything it needs is there.
void push_image(const PushSource& source, const std::vector<std::string>& names, const PushOptions& options,
                const std::function<void(const PushReport&)>& done);

}  // namespace imgbuild::builder
