// SPDX-License-Identifier: Apache-2.0
#include "builder/resolve/detail/registry_image.h"

#include <fmt/format.h>

#include "base/text.h"
#include "builder/fetch/documents.h"
#include "layerstore/image/layout.h"

namespace imgbuild::builder::detail {
namespace {

using layerstore::Descriptor;
using layerstore::Index;
using layerstore::Manifest;
using layerstore::Reference;
using layerstore::Store;

std::string read_document(Store& store, const Descriptor& document, const std::string& what) {
    return store.blobs().read(document.digest, layerstore::max_manifest_bytes, what);
}

}  // namespace

// Brings what Store::read_image() will read, in its order, and leaves all refusals to it.
PulledImage pull_image(Store& store, const Reference& reference, const layerstore::Platform& platform,
                       BlobProvider& blobs, const std::string& what) {
    const Descriptor named = ask_registry(what, [&] { return fetch_document(reference, store.blobs()); });
    Descriptor document = named;
    for (int level = 0; layerstore::is_index(document.media_type) && level < layerstore::max_index_levels; ++level) {
        const Index index = Index::parse(read_document(store, document, what), what);
        const Descriptor* found = index.find(platform);
        if (!found || !is_document(found->media_type)) break;
        document = *found;
        ask_registry(what, [&] { bring_document(reference, document, store.blobs()); });
    }
    if (layerstore::is_manifest(document.media_type)) {
        const std::string name = what + ": manifest";
        const Manifest manifest = Manifest::parse(read_document(store, document, what), document.media_type, name);
        if (manifest.config.size > layerstore::max_config_bytes)
            throw Error(ErrorKind::invalid_input,
                        fmt::format("{}: config: larger than {}", what, human_size(layerstore::max_config_bytes)));
        if (layerstore::is_image_config(manifest.config.media_type)) blobs.bring(manifest.config);
    }
    return {named, store.read_image(named, platform, what)};
}

}  // namespace imgbuild::builder::detail
