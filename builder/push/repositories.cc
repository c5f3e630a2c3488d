// SPDX-License-Identifier: Apache-2.0
#include "builder/push/repositories.h"

#include "base/error.h"
#include "layerstore/image/layout.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder {

void KnownRepositories::add(const std::string& name, const layerstore::Manifest& manifest) {
    const std::lock_guard lock(mutex_);
    try {
        const auto reference = layerstore::Reference::parse(name);
        repositories_.insert_or_assign({reference.domain, manifest.config.digest}, reference.repository);
        for (const layerstore::Descriptor& layer : manifest.layers)
            repositories_.insert_or_assign({reference.domain, layer.digest}, reference.repository);
    } catch (const Error&) {
        // Bases come from layouts, too, whose names are paths.
    }
}

std::string KnownRepositories::find(const std::string& domain, const Digest& blob) {
    const std::lock_guard lock(mutex_);
    if (!has_read_) read_store();
    const auto found = repositories_.find({domain, blob});
    return found == repositories_.end() ? std::string() : found->second;
}

void KnownRepositories::read_store() {
    has_read_ = true;
    for (const layerstore::NamedImage& image : store_.images()) {
        if (image.name.empty()) continue;
        try {
            const auto reference = layerstore::Reference::parse(image.name);
            layerstore::for_each_blob(
                store_.blobs(), image.descriptor, image.name, [&](const layerstore::Descriptor& blob) {
                    repositories_.emplace(std::pair(reference.domain, blob.digest), reference.repository);
                });
        } catch (const Error&) {
            // An image that is not whole, or has another tool's kind of name, tells nothing; it is not what is pushed.
        }
    }
}

}  // namespace imgbuild::builder
