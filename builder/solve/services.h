// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the steps of one build share. Everything in it may be used by any number of threads.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/error.h"
#include "base/task_pool.h"
#include "builder/cache/memos.h"
#include "builder/fetch/fetch_listener.h"
#include "builder/sandbox/sandbox.h"
#include "builder/solve/imported_results.h"
#include "builder/solve/solver.h"

namespace imgbuild::builder {

/// A result was believed to be there, and its bytes are not: a prune between two looks, a delta that stands in the
/// spelling of another rung only, or one that was damaged and is taken away for that. The build begins again and
/// believes less; who meets it later, while the result is written out, has an Error{corrupt} of it.
class BytesMissing : public Error {
  public:
    explicit BytesMissing(const DeltaId& delta);
};

/// What a user should know of the way in which commands run, each thing once in a build.
class Notices {
  public:
    /// `listener` is called by any thread; empty to stop that.
    void listen(std::function<void(std::string)> listener);
    void tell_once(const std::string& notice);

  private:
    std::mutex mutex_;
    std::function<void(std::string)> listener_;
    std::set<std::string> told_;
};

/// The sandbox, probed for and made when first asked for.
class LazySandbox {
  public:
    /// All are borrowed; `notices` gets the weakness of the rung, if it has one.
    LazySandbox(layerstore::Store& store, std::optional<RootMode> wanted, Notices& notices)
        : store_(store), wanted_(wanted), notices_(notices) {}

    /// Throws Error{unsupported} where no rung works.
    Sandbox& get();

  private:
    layerstore::Store& store_;
    std::optional<RootMode> wanted_;
    Notices& notices_;
    std::mutex mutex_;
    std::unique_ptr<Sandbox> sandbox_;
};

struct Services {
    Services(layerstore::Store& of_store, layerstore::Store::Lease& of_lease, const SolveOptions& of_options);

    const SolveOptions& options;
    const StepTimes times;
    layerstore::Store& store;
    layerstore::Store::Lease& lease;
    layerstore::Records& records;
    Memos memos;
    const Digest packing;  ///< packing_of() this build
    Notices notices;
    FetchListener fetches{[this](const std::string& note) { notices.tell_once(note); }};
    ImportedResults imported;
    LazySandbox sandbox;
    std::shared_ptr<layerstore::MemoryContents> inline_contents = std::make_shared<layerstore::MemoryContents>();
    TaskPool workers;  ///< hashing and compressing, in pieces
    std::mutex renewing;
    std::set<std::string> renewed_cache_mounts;  ///< guarded by `renewing`

    /// The one time of all entries of layers; empty where each has its own.
    std::optional<layerstore::FileTime> time_of_entries() const {
        return times.are_kept() ? std::nullopt : std::optional(options.file_time);
    }
    /// Takes a cache mount's content away, once in a build: commands of it that come later share what is new.
    void renew_cache_mount(const std::string& id);
    /// The way to what lies elsewhere.
    RemoteAccess remote(bool ignore_cache);
    /// True if the bytes of a delta can be had here without making it again: in a blob, or materialised. Leases it
    /// first. `strictly`: only what this build's own sandbox can read counts.
    bool has_bytes(const DeltaId& delta, bool strictly);
    /// A blob of the store that holds `delta`.
    std::optional<layerstore::LayerRecord> find_blob(const DeltaId& delta);
    /// The record of a delta; BytesMissing where it is gone.
    layerstore::TreeDelta load_delta(const DeltaId& delta);
};

}  // namespace imgbuild::builder
