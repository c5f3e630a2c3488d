// SPDX-License-Identifier: Apache-2.0
#include "builder/fetch/documents.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "layerstore/image/image.h"
#include "layerstore/image/layout.h"

namespace imgbuild::builder {

using layerstore::BlobStore;
using layerstore::Descriptor;
using layerstore::Reference;

namespace {

void bring_inner(const Reference& reference, const Descriptor& document, const BlobStore& blobs, int level) {
    const std::string what = document.digest.text();
    const auto read = [&] { return blobs.read(document.digest, layerstore::max_manifest_bytes, what); };
    if (layerstore::is_index(document.media_type)) {
        if (level == layerstore::max_index_levels)
            throw Error(ErrorKind::unavailable,
                        fmt::format("{}: indexes are nested deeper than {}", what, layerstore::max_index_levels));
        for (const Descriptor& inner : layerstore::Index::parse(read(), what).manifests) {
            if (!is_document(inner.media_type)) continue;
            bring_document(reference, inner, blobs);
            bring_inner(reference, inner, blobs, level + 1);
        }
        return;
    }
    const auto manifest = layerstore::Manifest::parse(read(), document.media_type, what);
    if (!layerstore::is_image_config(manifest.config.media_type)) return;
    if (manifest.config.size > layerstore::max_config_bytes)
        throw Error(ErrorKind::unavailable,
                    fmt::format("{}: config: larger than {}", what, human_size(layerstore::max_config_bytes)));
    bring_blob(reference, manifest.config, blobs);
}

}  // namespace

bool is_document(std::string_view media_type) noexcept {
    return layerstore::is_index(media_type) || layerstore::is_manifest(media_type);
}

std::string document_type(const FetchedDocument& document) {
    if (is_document(document.media_type)) return document.media_type;
    const Json parsed = parse_json(document.bytes, "manifest");
    std::string type;
    if (parsed.is_object()) type = optional_string(parsed, "mediaType", "manifest").value_or("");
    if (is_document(type)) return type;
    throw Error(ErrorKind::unavailable, fmt::format("the registry gave \"{}\", neither a manifest nor an index",
                                                    printable(type.empty() ? document.media_type : type)));
}

Descriptor fetch_document(const Reference& reference, const BlobStore& blobs) {
    const FetchedDocument document = fetch_manifest(reference);
    const std::string type = document_type(document);
    return {.media_type = type, .digest = blobs.put(document.bytes), .size = document.bytes.size()};
}

void bring_document(const Reference& reference, const Descriptor& document, const BlobStore& blobs) {
    if (blobs.size(document.digest) == document.size) return;
    Reference pinned = reference;
    pinned.digest = document.digest;
    const FetchedDocument fetched = fetch_manifest(pinned);
    if (fetched.bytes.size() != document.size)
        throw Error(ErrorKind::unavailable, fmt::format("manifest {}: {} bytes instead of {}", document.digest.text(),
                                                        fetched.bytes.size(), document.size));
    blobs.put(fetched.bytes);
}

void bring_blob(const Reference& reference, const Descriptor& blob, const BlobStore& blobs) {
    if (blobs.size(blob.digest) == blob.size) return;
    auto writer = blobs.begin();
    bool is_fresh = true;
    fetch_blob(reference, blob, [&]() -> ByteWriter& {
        if (!std::exchange(is_fresh, false)) writer = blobs.begin();
        return *writer;
    });
    writer->commit_expecting(blob.digest, blob.size, "blob " + blob.digest.text());
}

Descriptor fetch_documents(const Reference& reference, const BlobStore& blobs) {
    return ask_registry("image " + reference.familiar(), [&] {
        const Descriptor root = fetch_document(reference, blobs);
        bring_inner(reference, root, blobs, 0);
        return root;
    });
}

}  // namespace imgbuild::builder
