// SPDX-License-Identifier: Apache-2.0
#pragma once

// --cache-from: what caches outside the store say. Claims, and no more: nothing of it goes into the store by itself, and
// whoever uses it remembers on whose word (design: claimed(source)).

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "builder/exchange/cache_place.h"
#include "builder/exchange/cache_records.h"
#include "layerstore/store/store.h"

namespace imgbuild::builder {

enum class CacheTrust {
    verify,  ///< bytes are brought and read before an image is written
    accept,  ///< only where they are needed
};

struct CacheSource {
    std::shared_ptr<CachePlace> place;
    CacheTrust trust = CacheTrust::verify;
    bool may_be_missing = false;  ///< that nothing stands there yet is not worth a word
};

/// One source of one build. Thread-safe. It is read when something is looked up first: its manifest and the records of
/// steps, those of a base image with that image, a layer when its bytes are used. Where a RUN is not found, it is looked
/// at again from time to time: other builders may have come to that step meanwhile. A source that cannot be read, or that
/// said what is not so, knows nothing from then on; why stands in take_warnings().
class ImportedCache {
  public:
    ImportedCache(CacheSource source, layerstore::Store& store) : source_(std::move(source)), store_(store) {}

    const std::string& name() const { return source_.place->name(); }
    CacheTrust trust() const noexcept { return source_.trust; }

    /// Null where it says nothing; lives as long as this.
    const StepRecord* find_step(const StepName& name);
    /// Steps that it knew when it was read first, so none of this build's own, and whose preimages begin with `prefix`:
    /// those that were used last, the latest first. They live as long as this.
    std::vector<const StepRecord*> latest_steps(layerstore::MemoKind kind, std::string_view prefix, std::size_t most);
    std::shared_ptr<const BaseRecord> find_base(const Digest& manifest);
    /// Blobs that are said to hold `delta`, and can be had as far as is known.
    std::vector<CachedLayer> layers_of(const DeltaId& delta);
    /// Brings a layer to the store, its digest verified. False where it cannot be had: nobody is told of it again.
    bool bring(const layerstore::Descriptor& blob);

    /// Bytes of this result were needed and are nowhere: it has to be made again.
    void note_without_bytes(const DeltaId& delta);
    bool is_without_bytes(const DeltaId& delta);

    /// Something that it said is not so.
    void drop(const std::string& reason);
    bool is_dropped() const noexcept { return dropped_; }
    std::vector<std::string> take_warnings();

  private:
    void load();
    StepRecords read_steps(const CacheManifest& cache);
    void take(const CacheManifest& cache, StepRecords steps);
    void add_steps(StepRecords steps);
    bool is_time_to_look();
    void look_again();
    const StepRecord* find_known(const StepName& name);
    void load_inline(const std::string& document);
    void take_image(const std::string& manifest);
    void give_up(std::string warning);

    CacheSource source_;
    layerstore::Store& store_;
    std::mutex mutex_;
    std::once_flag loaded_;
    std::atomic<bool> dropped_ = false;
    StepRecords steps_;                   ///< grows; a record that is in it stays where and what it is
    std::optional<Digest> steps_digest_;  ///< of the blob that was read last
    bool may_grow_ = false;               ///< a cache that builders write to, and no image
    std::chrono::steady_clock::time_point looked_;
    std::int64_t read_at_ = 0;  ///< microseconds since 1970
    std::unordered_map<DeltaId, std::vector<const StepRecord*>> by_delta_;
    std::map<Digest, layerstore::Descriptor> base_blobs_;
    std::map<Digest, std::shared_ptr<const BaseRecord>> bases_;  ///< null: it could not be read
    std::set<Digest> missing_;                                   ///< blobs that cannot be had
    std::set<DeltaId> without_bytes_;
    std::vector<std::string> warnings_;
};

}  // namespace imgbuild::builder
