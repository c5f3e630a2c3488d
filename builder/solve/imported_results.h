// SPDX-License-Identifier: Apache-2.0
#pragma once

// What imported caches say, and how far a build goes along with it (docs/security.md, "Caches of others").
//
// Of a base image and of a RUN a cache's word is taken as a claim: the result remembers who vouches for it, and what
// stands on it is looked up with the same caches alone. A COPY is done here, from what is known or claimed: a cache only
// tells that it would have been found. A claim comes to be known here when the bytes were brought and read, and are what
// was claimed; a cache that said otherwise says nothing any more.

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "builder/cache/explanation.h"
#include "builder/cache/memos.h"
#include "builder/solve/node_result.h"

namespace imgbuild::builder {

class ImportedCache;
struct BaseRecord;
struct CachedLayer;
struct Services;

/// Something that a cache said is not so, or cannot be had. The build begins again and does not ask for it any more; why
/// stands among the caches' warnings.
class ClaimFailed : public Error {
  public:
    explicit ClaimFailed(const std::string& what) : Error(ErrorKind::corrupt, what) {}
};

class ImportedResults {
  public:
    /// Borrows both; at most max_caches of `caches` count.
    ImportedResults(Services& services, std::vector<std::shared_ptr<ImportedCache>> caches);
    static constexpr std::size_t max_caches = 31;

    /// Who says all of it: the caches that may be asked about what stands on `results`.
    Vouchers vouchers_of(const std::vector<const NodeResult*>& results);

    /// False for what is only claimed so far; what it stands on does not count.
    bool is_known_here(const NodeResult& result);

    struct Image {
        ImageContent content;
        Vouchers vouchers;
    };
    std::optional<Image> find_image(const ResolvedImage& image);
    struct Run {
        DeltaId delta;
        layerstore::Tree tree;
        Vouchers vouchers;
    };
    /// The result of a RUN on `root`, as one of `allowed` says it. The delta's record is in the store afterwards.
    std::optional<Run> find_run(const StepKey& key, const layerstore::Tree& root, Vouchers allowed);
    /// True if one of `allowed` has a record of this edit.
    bool knows_edit(const StepKey& key, Vouchers allowed);
    /// True if one of `allowed` says that the edit gives `delta`; ClaimFailed where one says something else.
    bool confirms_edit(const StepKey& key, const DeltaId& delta, Vouchers allowed);

    /// Brings and reads what was only claimed of the layers of `result`; afterwards they are known here. ClaimFailed.
    void verify(const NodeResult& result);
    /// The same of the work of one node, where an image is made of it and a cache that vouches for it is to be verified.
    void verify_for_image(const NodeResult& result);

    /// A blob of a cache that holds the layer, brought and read; empty where none is known. ClaimFailed.
    std::optional<layerstore::LayerRecord> bring(const StackLayer& layer);
    /// The same of a blob that was packed as `key` says, where that spares the work of others.
    std::optional<layerstore::LayerRecord> bring_packed(const StackLayer& layer, const PackKey& key);
    /// True if the files of an edit's layer would have to come from results that are only claimed.
    bool has_claimed_sources(const StackLayer& layer);
    /// For bytes that are nowhere: ClaimFailed where a cache's word led there.
    void give_up(const StackLayer& layer);

    std::vector<std::string> take_warnings();

    /// Steps of one kind that the caches know, for explanations: of each cache those that were used last.
    ForeignSteps steps_like(layerstore::MemoKind kind, const StepKey& key);

  private:
    Vouchers vouchers_of(const NodeResult& result);
    ImportedCache* cache(std::size_t i, Vouchers allowed) const;
    [[noreturn]] void drop(Vouchers liars, const std::string& reason);
    ImageContent content_of(const BaseRecord& record, const ResolvedImage& image);
    void verify_own(const NodeResult& result);
    void verify_image(const NodeResult& result);
    void verify_run(const NodeResult& result);
    void keep_run(const NodeResult& result);
    std::optional<layerstore::LayerRecord> bring(const StackLayer& layer, const std::optional<Digest>& pack_key);
    bool holds(const CachedLayer& blob, const StackLayer& layer, const std::string& what);
    void keep_files(const std::vector<std::string>& files);

    Services& services_;
    std::vector<std::shared_ptr<ImportedCache>> caches_;
    std::mutex mutex_;
    std::set<const NodeResult*> verified_;  ///< guarded by `mutex_`
    std::mutex reading_image_;
    std::array<std::mutex, 16> bringing_;  ///< by the first digit of a blob: each is brought once
};

}  // namespace imgbuild::builder
