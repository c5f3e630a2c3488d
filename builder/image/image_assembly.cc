// SPDX-License-Identifier: Apache-2.0
#include "builder/image/image_assembly.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/compression.h"
#include "base/error.h"
#include "base/json.h"
#include "base/stream.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

using layerstore::Descriptor;
using layerstore::HistoryEntry;
using layerstore::Image;
namespace media_type = layerstore::media_type;

constexpr const char* assembling = "assemble the image";
constexpr const char* exporter_comment = "buildkit.exporter.image.v0";  // of entries that stand for a layer alone
constexpr std::size_t chunk_bytes = 4 << 20;                            // as large as packing makes them

std::string_view layer_type(Compression compression, bool oci) {
    if (oci) return layerstore::oci_layer_type(compression);
    switch (compression) {
        case Compression::none: return media_type::docker_layer;
        case Compression::gzip: return media_type::docker_layer_gzip;
        case Compression::zstd: return media_type::docker_layer_zstd;
    }
    return media_type::docker_layer;
}

// What the descriptor of a base says besides (annotations, URLs) belonged to its own manifest. A type that promises
// no compression stays, for check_image() to name.
Descriptor layer_descriptor(const Descriptor& blob, bool oci) {
    const std::optional<Compression> compression = layerstore::layer_compression(blob.media_type);
    return {.media_type = compression ? std::string(layer_type(*compression, oci)) : blob.media_type,
            .digest = blob.digest,
            .size = blob.size};
}

// Makes as many entries of [begin, end) tell of a layer as there are layers: surplus ones are empty, missing ones
// are put behind them. A base and what lies on it are counted apart, so that a base without history takes no entry
// from the layers above it.
std::vector<HistoryEntry> reconciled(std::vector<HistoryEntry> entries, std::size_t layers) {
    std::size_t told = 0;
    for (HistoryEntry& entry : entries) {
        if (entry.empty_layer) continue;
        if (told == layers)
            entry.empty_layer = true;
        else
            ++told;
    }
    for (; told < layers; ++told) entries.push_back({.comment = exporter_comment});
    return entries;
}

std::vector<HistoryEntry> history_of(const AssemblyRequest& request, const std::string& created) {
    const std::vector<HistoryEntry>& all = request.config.history;
    const auto own_begin = all.begin() + static_cast<std::ptrdiff_t>(request.base_history);
    std::vector<HistoryEntry> history = reconciled({all.begin(), own_begin}, request.base_layers);
    for (std::size_t i = request.base_history; i < history.size(); ++i) history[i].created = created;
    for (HistoryEntry& entry : reconciled({own_begin, all.end()}, request.layers.size() - request.base_layers)) {
        if (entry.created.empty()) entry.created = created;
        history.push_back(std::move(entry));
    }
    return history;
}

void check_request(const AssemblyRequest& request) {
    if (request.base_history > request.config.history.size() || request.base_layers > request.layers.size())
        throw Error(ErrorKind::internal, fmt::format("{}: its base has more than the whole", assembling));
    if (request.layers.size() > layerstore::max_layers)
        throw Error(ErrorKind::invalid_input,
                    fmt::format("{}: {}, at most {}", assembling, counted(request.layers.size(), "layer", "layers"),
                                layerstore::max_layers));
}

// No registry and no reader of ours would take a larger one.
void check_size(std::string_view document, std::string_view bytes, std::uint64_t limit) {
    if (bytes.size() > limit)
        throw Error(ErrorKind::invalid_input, fmt::format("{}: the {} has {}, at most {}", assembling, document,
                                                          human_size(bytes.size()), human_size(limit)));
}

Descriptor document(std::string_view type, std::string_view bytes) {
    return {.media_type = std::string(type), .digest = Sha256::of(bytes), .size = bytes.size()};
}

void compress_all(ByteReader& tar, Compression compression, int level, ByteWriter& out) {
    bool first = true;
    for (;;) {
        const std::string chunk = read_ahead(tar, chunk_bytes);
        // An empty stream is no gzip or zstd file: at least one member is written.
        if (chunk.empty() && !first) return;
        out.write(as_bytes(compress_chunk(chunk, compression, level)));
        first = false;
        if (chunk.size() < chunk_bytes) return;
    }
}

}  // namespace

Image assemble_image(const AssemblyRequest& request) {
    check_request(request);
    const bool oci = request.oci_media_types;
    Image image;
    image.config = request.config;
    image.config.platform = request.config.platform.normalised();
    image.config.created = rfc3339(request.created.seconds);
    image.config.history = history_of(request, image.config.created);
    image.config.diff_ids.clear();
    image.manifest.media_type = oci ? media_type::oci_manifest : media_type::docker_manifest;
    for (const FinishedLayer& layer : request.layers) {
        image.config.diff_ids.push_back(layer.diff_id);
        image.manifest.layers.push_back(layer_descriptor(layer.blob, oci));
    }
    image.config_bytes = image.config.encode();
    if (!request.extra_member.first.empty()) {
        Json config = parse_json(image.config_bytes, "config");
        config[request.extra_member.first] = request.extra_member.second;
        image.config_bytes = write_json(config);
    }
    check_size("config", image.config_bytes, layerstore::max_config_bytes);
    image.manifest.config = document(oci ? media_type::oci_config : media_type::docker_config, image.config_bytes);
    image.manifest.annotations = request.annotations;
    // Docker's manifests have no annotations of their own; who asks for some gets these alone.
    if (oci)
        image.manifest.annotations[layerstore::format_annotation] =
            std::to_string(layerstore::number_of(request.format));
    image.manifest_bytes = image.manifest.encode();
    check_size("manifest", image.manifest_bytes, layerstore::max_manifest_bytes);
    image.descriptor = document(image.manifest.media_type, image.manifest_bytes);
    image.descriptor.platform = image.config.platform;
    layerstore::check_image(image, assembling);
    return image;
}

AssembledIndex assemble_index(const std::vector<Descriptor>& manifests,
                              const std::map<std::string, std::string>& annotations, bool oci_media_types) {
    layerstore::Index index;
    index.media_type = oci_media_types ? media_type::oci_index : media_type::docker_index;
    index.manifests = manifests;
    index.annotations = annotations;
    AssembledIndex assembled;
    assembled.bytes = index.encode();
    check_size("index", assembled.bytes, layerstore::max_manifest_bytes);
    assembled.descriptor = document(index.media_type, assembled.bytes);
    return assembled;
}

void write_documents(const Image& image, const layerstore::BlobStore& blobs) {
    blobs.put(image.config_bytes);
    blobs.put(image.manifest_bytes);
}

Descriptor recompress(const Descriptor& layer, const DiffId& diff_id, Compression compression, int level,
                      const layerstore::BlobStore& blobs) {
    const std::string name = "compress layer " + layer.digest.text();
    const std::optional<Compression> found = layerstore::layer_compression(layer.media_type);
    if (!found)
        throw Error(ErrorKind::invalid_input,
                    fmt::format("{}: \"{}\" is no layer that can be unpacked", name, printable(layer.media_type)));
    if (*found == compression) return layer;
    const auto reader = blobs.open(layer.digest, layer.size, name);
    const auto plain = make_decompressor(*reader, *found, name);
    HashingReader tar(*plain);
    const auto writer = blobs.begin();
    compress_all(tar, compression, level, *writer);
    if (const Digest digest = tar.finish(); digest != diff_id.value)
        throw Error(ErrorKind::invalid_input, fmt::format("{}: its content is {}, but the image's config says {}", name,
                                                          digest.text(), diff_id.value.text()));
    const std::uint64_t size = writer->size();
    return {
        .media_type = std::string(layerstore::oci_layer_type(compression)), .digest = writer->commit(), .size = size};
}

}  // namespace imgbuild::builder
