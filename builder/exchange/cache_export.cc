// SPDX-License-Identifier: Apache-2.0
#include "builder/exchange/cache_export.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <future>
#include <utility>

#include "base/cancel.h"
#include "base/error.h"
#include "builder/exchange/record_blobs.h"
#include "builder/fetch/helper_program.h"

namespace imgbuild::builder {
namespace {

using Clock = std::chrono::steady_clock;

// Who stops jobs waits about twice as long before he kills them.
constexpr std::chrono::seconds time_to_say_it{5};

layerstore::Descriptor describe_records(std::string_view bytes) {
    return {.media_type = "application/octet-stream", .digest = Sha256::of(bytes), .size = bytes.size()};
}

}  // namespace

CacheExport::CacheExport(CacheTarget target, layerstore::Store& store)
    : target_(std::move(target)), store_(store), published_(Clock::now()), thread_([this] { work(); }) {}

CacheExport::~CacheExport() {
    {
        const Lock lock(mutex_);
        is_stopped_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void CacheExport::add_step(const StepName& name, std::string_view preimage, const DeltaId& delta) {
    const Lock lock(mutex_);
    steps_.insert_or_assign(name, Step{std::string(preimage), delta});
    is_dirty_ = true;
    changed_.notify_all();
}

void CacheExport::add_layer(const DeltaId& delta, const CachedLayer& layer) {
    const Lock lock(mutex_);
    waiting_.emplace_back(delta, layer);
    is_dirty_ = true;
    changed_.notify_all();
}

void CacheExport::add_base(const ExportedBase& base) {
    const Lock lock(mutex_);
    bases_.emplace(base.manifest, base);
    used_bases_.insert(base.manifest);
    is_dirty_ = true;
    changed_.notify_all();
}

void CacheExport::use_step(const StepName& name) {
    const Lock lock(mutex_);
    used_steps_.insert(name);
}

void CacheExport::use_base(const Digest& manifest) {
    const Lock lock(mutex_);
    used_bases_.insert(manifest);
}

void CacheExport::finish(bool succeeded) {
    {
        const Lock lock(mutex_);
        is_finishing_ = true;
        succeeded_ = succeeded;
    }
    changed_.notify_all();
    thread_.join();
    if (failure_) std::rethrow_exception(failure_);
}

void CacheExport::work() {
    // A build that is stopped says what it came to. The layers that are still on their way it leaves.
    const CancelGrace grace(time_to_say_it);
    try {
        const CacheContent there = read(target_.place->read_manifest());
        at_start_ = CacheUses::of(there);
        steps_at_start_ = there.steps;
        for (;;) {
            Lock lock(mutex_);
            if (is_stopped_) return;
            const auto due = is_dirty_ ? published_ + target_.place->pause() : Clock::now() + std::chrono::hours(1);
            const bool is_due = !is_finishing_ && Clock::now() >= due;
            // Records are of use without their layers, which may take long.
            if (!waiting_.empty() && !is_due) {
                upload_some(lock);
                continue;
            }
            const bool is_last = is_finishing_;
            if (!is_last && !is_due) {
                changed_.wait_until(lock, due);
                continue;
            }
            is_dirty_ = false;
            lock.unlock();
            if (publish_unless_interrupted(is_last) && is_last) return;
        }
    } catch (...) {
        const Lock lock(mutex_);
        failure_ = std::current_exception();
    }
}

// A signal to all of our processes ends a helper at work once: false where it has to be done again.
bool CacheExport::publish_unless_interrupted(bool is_last) {
    try {
        const CacheChanges mine = changes(is_last && succeeded_);
        publish(mine);
        if (is_last) settle(mine);
        return true;
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::interrupted || std::exchange(was_interrupted_, true)) throw;
        return false;
    }
}

// Takes the lock as it is and gives it back so.
void CacheExport::upload_some(Lock& lock) {
    std::vector<std::pair<DeltaId, CachedLayer>> batch;
    while (!waiting_.empty() && batch.size() < uploads_at_once) {
        batch.push_back(waiting_.front());
        waiting_.pop_front();
    }
    lock.unlock();
    std::vector<std::future<void>> running;
    for (const auto& entry : batch) running.push_back(uploads_.submit([&] { upload(entry.second); }));
    // All are waited for, also behind one that failed: they borrow what is ours.
    for (std::future<void>& one : running) one.wait();
    try {
        for (std::future<void>& one : running) one.get();
        lock.lock();
        for (const auto& [delta, layer] : batch) layers_.emplace(delta, layer);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::interrupted) throw;
        lock.lock();
        waiting_.clear();
    }
}

void CacheExport::upload(const CachedLayer& layer) {
    if (target_.place->has_blob(layer.blob)) return;
    target_.place->write_blob(layer.blob, store_.blobs().directory().open(ImagePath().child(layer.blob.digest.hex()),
                                                                          O_RDONLY, FollowLinks::never));
}

void CacheExport::publish(const CacheChanges& mine) {
    bool adds = false;
    target_.place->change_manifest([&](const std::optional<std::string>& manifest) -> std::optional<std::string> {
        adds = false;
        CacheContent there = read(manifest);
        if (manifest && has_all(there, mine)) return std::nullopt;
        adds = adds_to(there, mine);
        restore(there.steps);
        return put_together(merge_cache(std::move(there), at_start_, mine), mine);
    });
    published_ = Clock::now();
    if (adds) added_ = published_;
}

// Until nobody who looked before our last records were there can take their place.
void CacheExport::settle(const CacheChanges& mine) {
    while (added_) {
        const auto settled = std::exchange(added_, std::nullopt).value() + target_.place->settling();
        if (Clock::now() >= settled) return;
        {
            Lock lock(mutex_);
            if (changed_.wait_until(lock, settled, [this] { return is_stopped_; })) return;
        }
        publish(mine);
    }
}

// Somebody who did not use them may have taken away what this build stands on, before it said so.
void CacheExport::restore(StepRecords& steps) {
    std::set<StepName> used;
    {
        const Lock lock(mutex_);
        used = used_steps_;
    }
    for (const StepName& name : used) {
        const auto before = steps_at_start_.find(name);
        if (steps.contains(name) || before == steps_at_start_.end()) continue;
        StepRecord& step = steps.emplace(name, before->second).first->second;
        std::erase_if(step.layers, [&](const CachedLayer& layer) { return !target_.place->has_blob(layer.blob); });
    }
}

// Of what came from another cache nothing is here.
std::set<StepName> CacheExport::known_ones(const std::set<StepName>& names) const {
    std::set<StepName> known;
    for (const StepName& name : names)
        if (steps_at_start_.contains(name)) known.insert(name);
    return known;
}

CacheContent CacheExport::read(const std::optional<std::string>& manifest) {
    CacheContent content;
    if (!manifest || target_.begins_afresh) return content;
    const std::optional<CacheManifest> cache = CacheManifest::parse(*manifest, target_.place->name());
    if (!cache)
        throw Error(ErrorKind::usage, fmt::format("{}: holds something else than a cache", target_.place->name()),
                    "name a tag of its own for the cache");
    content.bases = cache->bases;
    if (latest_steps_.first != cache->steps->digest)
        latest_steps_ = {cache->steps->digest, decode_steps(read_record_blob(*target_.place, *cache->steps,
                                                                             max_record_blob_bytes, store_.blobs()),
                                                            target_.place->name())};
    content.steps = latest_steps_.second;
    return content;
}

CacheChanges CacheExport::changes(bool is_complete) {
    std::vector<Digest> new_bases;
    CacheChanges mine;
    {
        const Lock lock(mutex_);
        mine = {.steps = {},
                .bases = {},
                .used_steps = known_ones(used_steps_),
                .used_bases = used_bases_,
                .now = microseconds_now(),
                .is_complete = is_complete};
        for (const auto& [name, step] : steps_) {
            auto record = record_of(name, step.preimage, step.delta, store_.records());
            if (!record) continue;
            const auto [begin, end] = layers_.equal_range(step.delta);
            for (auto layer = begin; layer != end; ++layer) record->layers.push_back(layer->second);
            mine.steps.emplace_hint(mine.steps.end(), name, std::move(*record));
        }
        for (const auto& [image, base] : bases_)
            if (!exported_bases_.contains(image) && !at_start_.bases.contains(image)) new_bases.push_back(image);
    }
    for (const Digest& image : new_bases) put_base(image);
    mine.bases = exported_bases_;
    return mine;
}

void CacheExport::put_base(const Digest& manifest) {
    Lock lock(mutex_);
    const ExportedBase base = bases_.at(manifest);
    lock.unlock();
    const auto record = record_of(base, store_.records());
    if (!record) return;
    const std::string records = encode_base(*record);
    exported_bases_[manifest] = put(describe_records(records), records);
}

std::string CacheExport::put_together(CacheContent content, const CacheChanges& mine) {
    CacheManifest manifest;
    manifest.layers = limit_layers(content.steps, max_cached_layers);
    const std::string steps = encode_steps(content.steps);
    put(empty_config_descriptor(), empty_config);
    manifest.steps = put(describe_records(steps), steps);
    manifest.bases = std::move(content.bases);
    // The place may have dropped what no manifest named yet.
    for (const auto& [image, records] : mine.bases)
        if (!target_.place->has_blob(records)) put_base(image);
    for (const auto& [name, step] : mine.steps)
        for (const CachedLayer& layer : step.layers) upload(layer);
    latest_steps_ = {manifest.steps->digest, std::move(content.steps)};
    return manifest.encode();
}

layerstore::Descriptor CacheExport::put(const layerstore::Descriptor& blob, std::string_view bytes) {
    if (!target_.place->has_blob(blob)) target_.place->write_blob(blob, text_as_input(bytes));
    return blob;
}

}  // namespace imgbuild::builder
