// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/pack_step.h"

#include "layerstore/store/stored_chunks.h"

namespace imgbuild::builder {
namespace {

FinishedLayer finished(const layerstore::LayerRecord& record) { return {record.blob, record.diff_id}; }

std::optional<FinishedLayer> find_packed(const StackLayer& layer, Services& services) {
    if (layer.origin->packed) return finished(*layer.origin->packed);
    const auto record = services.memos.find_packed(layer.delta, services.packing);
    if (!record) return std::nullopt;
    services.lease.add(record->blob.digest);
    if (services.store.blobs().size(record->blob.digest) != record->blob.size) return std::nullopt;
    return finished(*record);
}

std::optional<std::vector<FinishedLayer>> find_base_layers(const ResolvedImage& image, Services& services) {
    if (services.options.recompress_base) return std::nullopt;
    std::vector<FinishedLayer> layers;
    for (const layerstore::Descriptor& blob : image.image.manifest.layers) {
        services.lease.add(blob.digest);
        if (services.options.goal.blobs && services.store.blobs().size(blob.digest) != blob.size) return std::nullopt;
        layers.push_back({blob, image.image.config.diff_ids.at(layers.size())});
    }
    return layers;
}

}  // namespace

std::optional<std::vector<FinishedLayer>> find_layers(const NodeResult& result, Services& services) {
    if (result.vouchers != known_here) return std::nullopt;
    if (const auto* from = std::get_if<FromImage>(&result.node->operation))
        return find_base_layers(*from->image, services);
    const std::optional<FinishedLayer> packed = find_packed(result.stack.back(), services);
    return packed ? std::optional(std::vector{*packed}) : std::nullopt;
}

PackKey key_of_packing(const StackLayer& layer, const Services& services) {
    return {layer.delta, services.time_of_entries(), services.options.packing};
}

FinishedLayer pack(const StackLayer& layer, Services& services, FileContents& contents) {
    const PackKey key = key_of_packing(layer, services);
    if (const auto imported = services.imported.bring_packed(layer, key)) return finished(*imported);
    layerstore::TreeDelta delta = services.load_delta(layer.delta);
    if (key.time) delta = layerstore::with_times(delta, *key.time);
    auto sources = contents.of_layer(layer);
    std::unique_ptr<layerstore::BlobWriter> blob = services.store.blobs().begin();
    layerstore::StoredChunks earlier(services.store);
    const layerstore::PackedLayer packed =
        layerstore::pack_layer(delta, *sources, key.options, services.workers, *blob, &earlier);
    services.lease.add(blob->finish());
    layerstore::LayerRecord record{
        {std::string(layerstore::oci_layer_type(key.options.compression)), blob->commit(), blob->size()},
        packed.diff_id,
        layer.delta};
    services.store.sync_before_record();
    services.memos.put_packed(services.packing, record, packed.chunks);
    return finished(record);
}

std::vector<FinishedLayer> base_layers(const ResolvedImage& image, Services& services) {
    std::vector<FinishedLayer> layers;
    const auto& descriptors = image.image.manifest.layers;
    for (std::size_t i = 0; i < descriptors.size(); ++i) {
        FinishedLayer layer{descriptors[i], image.image.config.diff_ids.at(i)};
        services.lease.add(layer.blob.digest);
        if (services.options.goal.blobs || services.options.recompress_base) image.blobs->bring(layer.blob);
        if (services.options.recompress_base) {
            const layerstore::PackOptions& packing = services.options.packing;
            layer.blob =
                recompress(layer.blob, layer.diff_id, packing.compression, packing.level, services.store.blobs());
            services.lease.add(layer.blob.digest);
        }
        layers.push_back(std::move(layer));
    }
    return layers;
}

}  // namespace imgbuild::builder
