// SPDX-License-Identifier: Apache-2.0
#include "builder/push/repositories.h"

#include "base/error.h"
#include "base/wire.h"
#include "layerstore/image/layout.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder {
namespace {

using layerstore::MemoKind;

// docs/formats/keys.md.
WireWriter key_of_pushed(const std::string& domain, const Digest& blob) {
    WireWriter key;
    key.text("source").text("pushed blob").text("registry").text(domain).text("blob").text(blob.text());
    return key;
}

}  // namespace

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
    // What was pushed was there; what an image is named after need not be.
    const Digest key = Sha256::of(key_of_pushed(domain, blob).bytes());
    if (const auto memo = store_.records().find_memo(MemoKind::source, key)) return memo->value;
    const auto found = repositories_.find({domain, blob});
    return found == repositories_.end() ? std::string() : found->second;
}

void KnownRepositories::remember(const std::string& repository, const std::vector<layerstore::Descriptor>& blobs) {
    if (!store_.is_writable()) return;
    const auto reference = layerstore::Reference::parse(repository);
    for (const layerstore::Descriptor& blob : blobs) {
        const WireWriter key = key_of_pushed(reference.domain, blob.digest);
        store_.records().put_memo(MemoKind::source, Sha256::of(key.bytes()), reference.repository, key.bytes());
    }
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
