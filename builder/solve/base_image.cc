// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/base_image.h"

#include <fmt/core.h>

#include <algorithm>
#include <future>
#include <vector>

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

    void see(std::string_view name, std::span<const std::byte> bytes, const Digest* whole) {
        // Of every block of every file: most are told by their name alone.
        if (!name.ends_with("etc/passwd") && !name.ends_with("etc/group")) return;
        const auto path = ImagePath::parse_strict(name);
        if (!path || (path->bytes() != "/etc/passwd" && path->bytes() != "/etc/group")) return;
        if (!whole) {
            if (kept_.size() <= max_account_file_bytes) kept_ += as_text(bytes);
            return;
        }
        if (kept_.size() <= max_account_file_bytes) memos_.put_file(*whole, kept_);
        kept_.clear();
    }

  private:
    Memos& memos_;
    std::string kept_;
};

/// What one pass over a layer brings.
struct ReadLayer {
    layerstore::LayerEntries entries;
    std::shared_ptr<SpooledFiles> files;  ///< null where they were not asked for
};

ReadLayer read_layer(Services& services, const layerstore::Descriptor& blob, const DiffId& diff_id,
                     const std::string& what, bool keep_files) {
    ReadLayer layer;
    if (keep_files) layer.files = std::make_shared<SpooledFiles>(services.store.pending(), what);
    AccountFileKeeper keeper(services.memos);
    auto see = [&](std::string_view name, std::span<const std::byte> bytes, const Digest* whole) {
        keeper.see(name, bytes, whole);
        if (!layer.files) return;
        layer.files->append(bytes);
        if (whole) layer.files->end_file(*whole);
    };
    read_layer_tar(services.store.blobs(), blob, what, [&](ByteReader& tar) {
        HashingReader hashing(tar);
        layer.entries = layerstore::read_layer_entries(hashing, what, see);
        if (hashing.finish() != diff_id.value)
            throw Error(ErrorKind::invalid_input, what + ": the uncompressed layer is not what the config says");
    });
    return layer;
}

/// Reads the layers of an image side by side: each as soon as its bytes are here.
class LayerReaders {
  public:
    LayerReaders(Services& services, const ResolvedImage& image, bool keep_files)
        : services_(services), image_(image), keep_files_(keep_files) {}
    // The readers refer to this object: none may outlive it, also when something throws.
    ~LayerReaders() {
        for (auto& reading : readings_)
            if (reading.valid()) reading.wait();
    }
    LayerReaders(const LayerReaders&) = delete;
    LayerReaders& operator=(const LayerReaders&) = delete;

    std::string name_of(std::size_t i) const {
        return fmt::format("{}: layer {}", image_.name, image_.image.manifest.layers[i].digest.short_hex());
    }

    void start(std::size_t i) {
        const layerstore::Descriptor& blob = image_.image.manifest.layers[i];
        services_.lease.add(blob.digest);
        image_.blobs->bring(blob);
        readings_.push_back(services_.workers.submit([this, &blob, i] {
            throw_if_cancelled();
            return read_layer(services_, blob, image_.image.config.diff_ids.at(i), name_of(i), keep_files_);
        }));
    }

    ReadLayer take(std::size_t i) { return readings_.at(i).get(); }

  private:
    Services& services_;
    const ResolvedImage& image_;
    bool keep_files_;
    std::vector<std::future<ReadLayer>> readings_;
};

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

std::vector<DeltaId> lay_down_image(const std::shared_ptr<const ResolvedImage>& image, Services& services,
                                    LayerStack& layers) {
    std::optional<ImageContent> content = known_content(services, *image);
    if (!content) content = read_content(services, *image, nullptr);
    PlanNode node;
    node.operation = FromImage{image};
    NodeResult result;
    result.node = &node;
    for (const DeltaId& layer : content->layers) result.stack.push_back({layer, &result});
    return layers.lay_down(result.stack, false);
}

ImageContent read_content(Services& services, const ResolvedImage& image, FileContents* contents) {
    ImageContent content;
    const auto& layers = image.image.manifest.layers;
    LayerReaders readers(services, image, contents != nullptr);
    // A few ahead: what was read of a layer stays in memory until those below it are done.
    const std::size_t ahead = services.workers.threads() + 1;
    for (std::size_t started = 0, i = 0; i < layers.size(); ++i) {
        throw_if_cancelled();
        for (; started < std::min(i + ahead, layers.size()); ++started) readers.start(started);
        ReadLayer layer = readers.take(i);
        const layerstore::TreeDelta delta = layerstore::complete_for(
            layerstore::make_layer(std::move(layer.entries), content.tree, readers.name_of(i)), content.tree);
        content.tree = layerstore::apply(content.tree, delta);
        std::string encoded = delta.encode();
        content.layers.push_back({Sha256::of(encoded)});
        if (contents) contents->add(content.layers.back(), std::move(layer.files));
        layerstore::Records::Transaction transaction(services.records);
        services.records.save_delta(content.layers.back(), encoded);
        services.records.save_layer({layers[i], image.image.config.diff_ids.at(i), content.layers.back()});
    }
    services.memos.put_image(image.image.descriptor.digest, content);
    return content;
}

}  // namespace imgbuild::builder
