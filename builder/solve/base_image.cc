// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/base_image.h"

#include <fmt/core.h>

#include "base/cancel.h"
#include "base/compression.h"
#include "base/error.h"
#include "builder/edit/accounts.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

/// Keeps the files that later steps look into for names of users, while a layer passes by.
class AccountFileKeeper {
  public:
    explicit AccountFileKeeper(Memos& memos) : memos_(memos) {}

    void operator()(const ImagePath& path, std::span<const std::byte> bytes) {
        if (path.bytes() != "/etc/passwd" && path.bytes() != "/etc/group") return;
        if (!bytes.empty()) {
            if (kept_.size() <= max_account_file_bytes) kept_ += as_text(bytes);
            return;
        }
        if (kept_.size() <= max_account_file_bytes) memos_.put_file(Sha256::of(kept_), kept_);
        kept_.clear();
    }

  private:
    Memos& memos_;
    std::string kept_;
};

layerstore::TreeDelta read_one(Services& services, const layerstore::Descriptor& blob, const DiffId& diff_id,
                               const layerstore::Tree& below, const std::string& what) {
    layerstore::TreeDelta delta;
    AccountFileKeeper keeper(services.memos);
    read_layer_tar(services.store.blobs(), blob, what, [&](ByteReader& tar) {
        HashingReader hashing(tar);
        delta = layerstore::read_layer(hashing, below, what, std::ref(keeper));
        if (hashing.finish() != diff_id.value)
            throw Error(ErrorKind::invalid_input, what + ": the uncompressed layer is not what the config says");
    });
    return layerstore::complete_for(delta, below);
}

}  // namespace

void read_layer_tar(const layerstore::BlobStore& blobs, const layerstore::Descriptor& blob, const std::string& what,
                    const std::function<void(ByteReader&)>& consume) {
    std::optional<Compression> compression = layerstore::layer_compression(blob.media_type);
    if (!compression)
        throw Error(ErrorKind::unsupported, fmt::format("{}: media type {} is no layer", what, blob.media_type));
    std::unique_ptr<ByteReader> bytes = blobs.open(blob.digest, blob.size, what);
    std::unique_ptr<ByteReader> tar = make_decompressor(*bytes, *compression, what);
    try {
        consume(*tar);
        drain(*tar);
    } catch (const Error& error) {
        // Damaged bytes are noticed by who unpacks them before their digest is known, and then the digest is the reason.
        if (error.kind() == ErrorKind::invalid_input) drain(*bytes);
        throw;
    }
    drain(*bytes);
}

std::optional<ImageContent> known_content(Services& services, const ResolvedImage& image) {
    return services.memos.find_image(image.image.descriptor.digest);
}

ImageContent read_content(Services& services, const ResolvedImage& image) {
    ImageContent content;
    const auto& layers = image.image.manifest.layers;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        throw_if_cancelled();
        services.lease.add(layers[i].digest);
        image.blobs->bring(layers[i]);
        const std::string what = fmt::format("{}: layer {}", image.name, layers[i].digest.short_hex());
        const DiffId& diff_id = image.image.config.diff_ids.at(i);
        layerstore::TreeDelta delta = read_one(services, layers[i], diff_id, content.tree, what);
        content.tree = layerstore::apply(content.tree, delta);
        std::string encoded = delta.encode();
        content.layers.push_back({Sha256::of(encoded)});
        layerstore::Records::Transaction transaction(services.records);
        services.records.save_delta(content.layers.back(), encoded);
        services.records.save_layer({layers[i], diff_id, content.layers.back()});
    }
    services.memos.put_image(image.image.descriptor.digest, content);
    return content;
}

}  // namespace imgbuild::builder
