// SPDX-License-Identifier: Apache-2.0
#include "builder/resolve/detail/registry_image.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "builder/fetch/fetch.h"
#include "layerstore/image/layout.h"

namespace imgbuild::builder::detail {
namespace {

using layerstore::Descriptor;
using layerstore::Index;
using layerstore::Manifest;
using layerstore::Reference;
using layerstore::Store;

bool is_document(std::string_view type) { return layerstore::is_index(type) || layerstore::is_manifest(type); }

// What a registry says in its header, or where that is of no use (a plain file server) the document itself.
std::string type_of(const FetchedDocument& document) {
    if (is_document(document.media_type)) return document.media_type;
    const Json parsed = parse_json(document.bytes, "manifest");
    std::string type;
    if (parsed.is_object()) type = optional_string(parsed, "mediaType", "manifest").value_or("");
    if (is_document(type)) return type;
    throw Error(ErrorKind::unavailable, fmt::format("the registry gave \"{}\", neither a manifest nor an index",
                                                    printable(type.empty() ? document.media_type : type)));
}

Descriptor fetch_named(Store& store, const Reference& reference) {
    const FetchedDocument document = fetch_manifest(reference);
    const std::string type = type_of(document);
    return {.media_type = type, .digest = store.blobs().put(document.bytes), .size = document.bytes.size()};
}

// A document that an index names, unless it is here.
void fetch_inner(Store& store, Reference reference, const Descriptor& wanted) {
    if (store.blobs().size(wanted.digest) == wanted.size) return;
    reference.digest = wanted.digest;
    const FetchedDocument document = fetch_manifest(reference);
    if (document.bytes.size() != wanted.size)
        throw Error(ErrorKind::unavailable, fmt::format("manifest {}: {} bytes instead of {}", wanted.digest.text(),
                                                        document.bytes.size(), wanted.size));
    store.blobs().put(document.bytes);
}

std::string read_document(Store& store, const Descriptor& document, const std::string& what) {
    return store.blobs().read(document.digest, layerstore::max_manifest_bytes, what);
}

}  // namespace

// Brings what Store::read_image() will read, in its order, and leaves all refusals to it.
PulledImage pull_image(Store& store, const Reference& reference, const layerstore::Platform& platform,
                       BlobProvider& blobs, const std::string& what) {
    const Descriptor named = ask_registry(what, [&] { return fetch_named(store, reference); });
    Descriptor document = named;
    for (int level = 0; layerstore::is_index(document.media_type) && level < layerstore::max_index_levels; ++level) {
        const Index index = Index::parse(read_document(store, document, what), what);
        const Descriptor* found = index.find(platform);
        if (!found || !is_document(found->media_type)) break;
        document = *found;
        ask_registry(what, [&] { fetch_inner(store, reference, document); });
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
