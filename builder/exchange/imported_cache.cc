// SPDX-License-Identifier: Apache-2.0
#include "builder/exchange/imported_cache.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "builder/exchange/record_blobs.h"
#include "layerstore/image/image.h"

namespace imgbuild::builder {

using layerstore::Descriptor;

const StepRecord* ImportedCache::find_step(const StepName& name) {
    load();
    if (dropped_) return nullptr;
    const auto found = steps_.find(name);
    return found == steps_.end() ? nullptr : &found->second;
}

std::shared_ptr<const BaseRecord> ImportedCache::find_base(const Digest& manifest) {
    load();
    const std::lock_guard lock(mutex_);
    if (dropped_) return nullptr;
    if (const auto known = bases_.find(manifest); known != bases_.end()) return known->second;
    const auto blob = base_blobs_.find(manifest);
    if (blob == base_blobs_.end()) return nullptr;
    std::shared_ptr<const BaseRecord>& base = bases_[manifest];
    try {
        BaseRecord record =
            decode_base(read_record_blob(*source_.place, blob->second, max_record_blob_bytes, store_.blobs()), name());
        if (record.manifest == manifest) base = std::make_shared<BaseRecord>(std::move(record));
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::interrupted) throw;
        give_up(error.full_message());
    }
    return base;
}

std::vector<CachedLayer> ImportedCache::layers_of(const DeltaId& delta) {
    load();
    std::vector<CachedLayer> layers;
    if (dropped_) return layers;
    const auto found = by_delta_.find(delta);
    if (found == by_delta_.end()) return layers;
    const std::lock_guard lock(mutex_);
    for (const StepRecord* step : found->second)
        for (const CachedLayer& layer : step->layers)
            if (!missing_.contains(layer.blob.digest)) layers.push_back(layer);
    return layers;
}

bool ImportedCache::bring(const Descriptor& blob) {
    if (store_.blobs().size(blob.digest) == blob.size) return true;
    const std::string what = fmt::format("{}: layer {}", name(), blob.digest.short_hex());
    std::string problem;
    try {
        const auto writer = store_.blobs().begin();
        source_.place->read_blob(blob, *writer);
        if (writer->size() == blob.size && writer->finish() == blob.digest) {
            writer->commit();
            return true;
        }
        problem = what + ": other bytes than its digest says";
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::interrupted || error.kind() == ErrorKind::no_space) throw;
        problem = error.full_message();
    }
    const std::lock_guard lock(mutex_);
    missing_.insert(blob.digest);
    warnings_.push_back(problem + ": its step is done again where it is needed");
    return false;
}

void ImportedCache::note_without_bytes(const DeltaId& delta) {
    const std::lock_guard lock(mutex_);
    without_bytes_.insert(delta);
}

bool ImportedCache::is_without_bytes(const DeltaId& delta) {
    const std::lock_guard lock(mutex_);
    return without_bytes_.contains(delta);
}

void ImportedCache::drop(const std::string& reason) {
    const std::lock_guard lock(mutex_);
    give_up(fmt::format("{}: {}", name(), reason));
}

void ImportedCache::give_up(std::string warning) {
    if (dropped_.exchange(true)) return;
    warnings_.push_back(std::move(warning) + ": nothing of this cache is used");
}

std::vector<std::string> ImportedCache::take_warnings() {
    const std::lock_guard lock(mutex_);
    return std::exchange(warnings_, {});
}

void ImportedCache::load() {
    std::call_once(loaded_, [this] {
        const std::lock_guard lock(mutex_);
        try {
            const std::optional<std::string> document = source_.place->read_manifest();
            if (!document) return give_up(fmt::format("{}: nothing stands there yet", name()));
            if (const auto cache = CacheManifest::parse(*document, name())) {
                steps_ = decode_steps(
                    read_record_blob(*source_.place, *cache->steps, max_record_blob_bytes, store_.blobs()), name());
                for (const auto& [image, base] : cache->bases) base_blobs_.emplace(image, base.records);
            } else {
                load_inline(*document);
            }
            index_layers();
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::interrupted) throw;
            give_up(error.full_message());
        }
    });
}

// An image, or an index of images, with records in their configs.
void ImportedCache::load_inline(const std::string& document) {
    if (!parse_json(document, name()).contains("manifests")) {
        take_image(document);
    } else {
        for (const Descriptor& manifest : layerstore::Index::parse(document, name()).manifests)
            if (layerstore::is_manifest(manifest.media_type) && !(manifest.platform && manifest.platform->is_unknown()))
                take_image(read_record_blob(*source_.place, manifest, layerstore::max_manifest_bytes, store_.blobs()));
    }
    if (steps_.empty() && bases_.empty())
        give_up(fmt::format("{}: the image holds no cache (--cache-to type=inline puts it there)", name()));
}

void ImportedCache::take_image(const std::string& bytes) {
    const layerstore::Manifest manifest = layerstore::Manifest::parse(bytes, "", name());
    if (!layerstore::is_image_config(manifest.config.media_type)) return;
    const Json config = parse_json(
        read_record_blob(*source_.place, manifest.config, layerstore::max_config_bytes, store_.blobs()), name());
    const auto text = config.is_object() ? optional_string(config, inline_cache_member, name()) : std::nullopt;
    if (!text) return;
    InlineCache cache = decode_inline(*text, name());
    steps_.merge(cache.steps);
    for (BaseRecord& base : cache.bases) {
        const Digest image = base.manifest;
        bases_.emplace(image, std::make_shared<BaseRecord>(std::move(base)));
    }
}

void ImportedCache::index_layers() {
    for (const auto& [step_name, step] : steps_)
        if (!step.layers.empty()) by_delta_[DeltaId{Sha256::of(step.delta)}].push_back(&step);
}

}  // namespace imgbuild::builder
