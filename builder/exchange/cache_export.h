// SPDX-License-Identifier: Apache-2.0
#pragma once

// --cache-to: what a build finds out goes to a place outside the store, in the background and as soon as it stands, so
// that a build that fails or is killed keeps what it finished there.

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "base/task_pool.h"
#include "builder/exchange/cache_merge.h"
#include "builder/exchange/cache_place.h"
#include "builder/exchange/own_records.h"
#include "layerstore/store/store.h"

namespace imgbuild::builder {

struct CacheTarget {
    std::shared_ptr<CachePlace> place;
    bool every_layer = false;    ///< mode=max: also layers that are in no image of the build
    bool must_succeed = false;   ///< ignore-error=false
    bool begins_afresh = false;  ///< reset=true: what stands there does not count
};

/// One target of one build. Its functions may be called from any thread and never wait for the place.
class CacheExport {
  public:
    /// Borrows the store, which has to outlive it.
    CacheExport(CacheTarget target, layerstore::Store& store);
    /// Ends the background at once: what finish() was not called for may be lost.
    ~CacheExport();
    CacheExport(const CacheExport&) = delete;
    CacheExport& operator=(const CacheExport&) = delete;

    const CacheTarget& target() const noexcept { return target_; }

    /// A result that this store has on its own word; the delta's record is there.
    void add_step(const StepName& name, std::string_view preimage, const DeltaId& delta);
    /// A blob of the store that holds `delta`.
    void add_layer(const DeltaId& delta, const CachedLayer& layer);
    void add_base(const ExportedBase& base);
    /// What was taken from a cache and is not this store's own: it stays where it stands, and goes nowhere else.
    void use_step(const StepName& name);
    void use_base(const Digest& manifest);

    /// Waits until everything is there. `succeeded`: the build did all its steps, and what it did not use may go. Throws
    /// the first Error that the place gave.
    void finish(bool succeeded);

  private:
    struct Step {
        std::string preimage;
        DeltaId delta;
    };
    using Lock = std::unique_lock<std::mutex>;

    void work();
    void upload_some(Lock& lock);
    void upload(const CachedLayer& layer);
    bool publish_unless_interrupted(bool is_last);
    void publish(const CacheChanges& mine);
    void settle(const CacheChanges& mine);
    void restore(StepRecords& steps);
    std::set<StepName> known_ones(const std::set<StepName>& names) const;
    CacheContent read(const std::optional<std::string>& manifest);
    CacheChanges changes(bool is_complete);
    std::string put_together(CacheContent content, const CacheChanges& mine);
    layerstore::Descriptor put(const layerstore::Descriptor& blob, std::string_view bytes);
    void put_base(const Digest& manifest);

    CacheTarget target_;
    layerstore::Store& store_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<StepName, Step> steps_;
    std::multimap<DeltaId, CachedLayer> layers_;  ///< that stand in the place
    std::deque<std::pair<DeltaId, CachedLayer>> waiting_;
    std::map<Digest, ExportedBase> bases_;
    std::set<StepName> used_steps_;
    std::set<Digest> used_bases_;
    bool is_dirty_ = false;
    bool is_finishing_ = false;
    bool is_stopped_ = false;
    bool succeeded_ = false;
    std::exception_ptr failure_;

    static constexpr std::size_t uploads_at_once = 4;
    TaskPool uploads_{uploads_at_once};

    // Of the background thread.
    CacheUses at_start_;
    StepRecords steps_at_start_;
    std::map<Digest, layerstore::Descriptor> exported_bases_;  ///< records that this build put there
    std::pair<Digest, StepRecords> latest_steps_;  ///< what was read or written last, by the digest of its blob
    std::chrono::steady_clock::time_point published_;
    bool was_interrupted_ = false;
    std::optional<std::chrono::steady_clock::time_point> added_;  ///< when a record went there last that was not yet
    std::thread thread_;
};

}  // namespace imgbuild::builder
