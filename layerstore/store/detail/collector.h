// SPDX-License-Identifier: Apache-2.0
#pragma once

// One collection of a store: marks what is needed and when it was needed last, chooses what goes, takes it away
// in an order in which every stop leaves a good store: first what names, then what is named.

#include <functional>
#include <map>
#include <set>
#include <vector>

#include "layerstore/store/detail/references.h"
#include "layerstore/store/detail/use_table.h"
#include "layerstore/store/store.h"

namespace imgbuild::layerstore::detail {

class Collector {
  public:
    /// `is_alone`: no other process has the store open.
    Collector(Store& store, const PruneOptions& options, bool is_alone);
    PruneResult run(const RemoveDelta& remove_delta);

  private:
    /// A blob or a materialised delta that could go.
    struct Candidate {
        std::int64_t used = UseTable::never;
        std::uint64_t bytes = 0;
        std::uint64_t inodes = 1;
        const MaterialisedDelta* delta = nullptr;  ///< null for a blob
        Digest blob;
    };

    void read_store();
    void mark_images();
    void mark_lists();
    void mark_memos();
    void mark_layers();
    void mark_young();
    bool is_young(const Digest& blob) const;
    bool is_young(std::int64_t made) const;
    void note_blob(const Digest& blob, std::int64_t time);
    void note_document(const Digest& blob, std::int64_t time);
    std::int64_t use_of(const MaterialisedDelta& delta) const;

    std::uint64_t total_bytes() const;
    std::vector<Candidate> candidates();
    bool may_go(std::int64_t used) const;
    bool is_limited() const noexcept { return options_.keep_bytes || options_.keep_inodes; }
    bool is_small_enough(std::uint64_t bytes, std::uint64_t inodes) const noexcept;
    void choose();

    void remove_memos();
    void forget_memos(Records& records);
    void remove_chosen(const RemoveDelta& remove_delta);
    void remove_records();
    void remove_logs();
    void remove_contexts();
    void remove_files(const char* folder,
                      const std::function<bool(const Directory&, const std::string&, std::int64_t modified)>& may_go);

    Store& store_;
    const PruneOptions& options_;
    bool is_alone_;
    std::int64_t now_;
    PruneResult result_;

    std::map<Digest, std::uint64_t> blob_bytes_;
    std::vector<MaterialisedDelta> materialised_;
    std::vector<LayerRecord> layers_;
    std::vector<MemoRow> memos_;
    UseTable blobs_;
    UseTable deltas_;  ///< of records and of directories

    std::vector<Candidate> chosen_;
    std::set<Digest> gone_blobs_;
    std::set<DeltaId> gone_deltas_;  ///< whose bytes stand nowhere any more
};

}  // namespace imgbuild::layerstore::detail
