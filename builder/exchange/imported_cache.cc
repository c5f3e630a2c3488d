// SPDX-License-Identifier: Apache-2.0
#include "builder/exchange/imported_cache.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "builder/exchange/record_blobs.h"
#include "layerstore/image/image.h"

namespace imgbuild::builder {

using layerstore::Descriptor;

const StepRecord* ImportedCache::find_step(const StepName& name) {
    load();
    if (const StepRecord* known = find_known(name)) return known;
    if (name.first != layerstore::MemoKind::run || !is_time_to_look()) return nullptr;
    look_again();
    return find_known(name);
}

const StepRecord* ImportedCache::find_known(const StepName& name) {
    const std::lock_guard lock(mutex_);
    const auto found = steps_.find(name);
    return dropped_ || found == steps_.end() ? nullptr : &found->second;
}

std::vector<const StepRecord*> ImportedCache::latest_steps(layerstore::MemoKind kind, std::string_view prefix,
                                                           std::size_t most) {
    const std::lock_guard lock(mutex_);
    std::vector<const StepRecord*> steps;
    for (const auto& [step_name, step] : steps_)
        if (step_name.first == kind && step.used <= read_at_ && step.preimage.starts_with(prefix))
            steps.push_back(&step);
    std::ranges::stable_sort(steps, std::ranges::greater(), &StepRecord::used);
    if (steps.size() > most) steps.resize(most);
    return steps;
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
    const std::lock_guard lock(mutex_);
    if (dropped_) return layers;
    const auto found = by_delta_.find(delta);
    if (found == by_delta_.end()) return layers;
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
        looked_ = std::chrono::steady_clock::now();
        read_at_ = microseconds_now();
        try {
            const std::optional<std::string> document = source_.place->read_manifest();
            const auto cache = document ? CacheManifest::parse(*document, name()) : std::nullopt;
            may_grow_ = !document || cache;
            if (!document && !source_.may_be_missing)
                warnings_.push_back(fmt::format("{}: nothing stands there yet", name()));
            else if (cache)
                take(*cache, read_steps(*cache));
            else if (document)
                load_inline(*document);
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::interrupted) throw;
            give_up(error.full_message());
        }
    });
}

StepRecords ImportedCache::read_steps(const CacheManifest& cache) {
    return decode_steps(read_record_blob(*source_.place, *cache.steps, max_record_blob_bytes, store_.blobs()), name());
}

void ImportedCache::take(const CacheManifest& cache, StepRecords steps) {
    add_steps(std::move(steps));
    for (const auto& [image, base] : cache.bases) base_blobs_.emplace(image, base.records);
    steps_digest_ = cache.steps->digest;
}

void ImportedCache::add_steps(StepRecords steps) {
    while (!steps.empty()) {
        const auto added = steps_.insert(steps.extract(steps.begin()));
        if (added.inserted && !added.position->second.layers.empty())
            by_delta_[DeltaId{Sha256::of(added.position->second.delta)}].push_back(&added.position->second);
    }
}

// For one thread at a time, and not all the time.
bool ImportedCache::is_time_to_look() {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (dropped_ || !may_grow_ || now < looked_ + source_.place->pause()) return false;
    looked_ = now;
    return true;
}

// Nobody waits for a place that takes its time.
void ImportedCache::look_again() {
    try {
        const std::optional<std::string> document = source_.place->read_manifest();
        const auto cache = document ? CacheManifest::parse(*document, name()) : std::nullopt;
        std::unique_lock lock(mutex_);
        if (!cache || cache->steps->digest == steps_digest_) return;
        lock.unlock();
        StepRecords steps = read_steps(*cache);
        lock.lock();
        take(*cache, std::move(steps));
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::interrupted) throw;
        const std::lock_guard lock(mutex_);
        may_grow_ = false;  // what was read before is as good as it was
    }
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
    add_steps(std::move(cache.steps));
    for (BaseRecord& base : cache.bases) {
        const Digest image = base.manifest;
        bases_.emplace(image, std::make_shared<BaseRecord>(std::move(base)));
    }
}

}  // namespace imgbuild::builder
