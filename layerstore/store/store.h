// SPDX-License-Identifier: Apache-2.0
#pragma once

// The store: one directory that is itself an OCI image layout, with records, deltas and work in progress
// beside it (docs/formats/store.md). Any number of processes share it; other tools may read it in place.
//
//   oci-layout, index.json, blobs/sha256/   the layout; index.json is changed under index.json.lock
//   store.db                                Records
//   deltas/<spelling>/<DeltaId>/            materialised deltas, made by builder/sandbox
//   contexts/                               file indexes of contexts
//   mounts/<hash of id>/                    RUN --mount=type=cache
//   logs/                                   full logs of failed steps
//   builds/                                 what cli/ remembers of builds
//   pending/                                work in progress, swept once nobody uses the store
//   leases/, leases.lock                    what running builds use
//   corrupt/                                what fsck took out
//   format                                  the version and the owner
//   use.lock                                held shared by every open Store, exclusively where it must be alone

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/directory.h"
#include "base/file_lock.h"
#include "base/temporary_directory.h"
#include "layerstore/blob/blob_store.h"
#include "layerstore/image/image.h"
#include "layerstore/image/layout.h"
#include "layerstore/store/durability.h"
#include "layerstore/store/records.h"

namespace imgbuild::layerstore {

struct NamedImage {
    std::string name;  ///< full reference; empty for an image without one
    Descriptor descriptor;
};

struct Finding {
    std::string object;  ///< "blob sha256:…", "index.json", "image docker.io/library/app:1", "records"
    std::string what;
    bool repaired = false;
    bool harmless = false;  ///< takes space and nothing else
};

struct PruneOptions {
    bool all = false;                            ///< also what images of the store do not need but builds may reuse
    std::optional<std::uint64_t> keep_bytes;     ///< stop when the store is that small
    std::optional<std::uint64_t> keep_inodes;    ///< and has that few files
    std::optional<std::int64_t> unused_seconds;  ///< only what was not used for that long
    bool dry_run = false;
};
struct PruneResult {
    std::uint64_t blobs = 0, deltas = 0, bytes = 0, inodes = 0;
};

/// Takes the materialised delta deltas/`spelling`/`id` away. Without root its files belong to subordinate ids,
/// and only the sandbox of that spelling can remove them. False when it could not.
using RemoveDelta = std::function<bool(const std::string& spelling, const DeltaId& id)>;

/// What reading a materialised delta showed.
struct DeltaLook {
    bool was_changed = false;         ///< by somebody, after it was published: builds see that, too
    std::vector<std::string> faults;  ///< what is not as its record has it, one line each
};
/// Reads the materialised delta deltas/`spelling`/`id` and compares it with its record. Empty when it cannot be looked
/// into (see RemoveDelta), or is not believed by builds anyway.
using LookAtDelta =
    std::function<std::optional<DeltaLook>(const std::string& spelling, const DeltaId& id, const TreeDelta& record)>;

/// How fsck reaches what belongs to the ids of a sandbox.
struct DeltaAccess {
    LookAtDelta look;
    RemoveDelta remove;
};

class Store {
  public:
    /// Opens the store at `path`, made when missing or empty (mode 0700). Error{denied} when another user owns it
    /// (both named), Error{unsupported} for a newer format, Error{invalid_input} for a directory of something
    /// else; none of them is touched. Where we may not write, the store is opened for reading only. The first
    /// process sweeps what dead ones left in pending/.
    static std::unique_ptr<Store> open(const std::string& path, StoreDurability durability = StoreDurability::images);
    /// $IMGBUILD_STORE, else /var/lib/imgbuild for root, else $XDG_DATA_HOME/imgbuild or ~/.local/share/imgbuild.
    /// Error{usage} where none of them is set.
    static std::string default_path();
    ~Store();

    /// Absolute, whatever open() was given.
    const std::string& path() const noexcept { return root_.name(); }
    const Directory& root() const noexcept { return root_; }
    bool is_writable() const noexcept { return is_writable_; }
    BlobStore& blobs() noexcept { return *blobs_; }
    Records& records();  ///< opened at first use: --version and friends do not pay for SQLite; thread-safe
    const Directory& pending() const noexcept { return pending_; }
    Directory subdirectory(const std::string& name) const;  ///< made when missing

    std::vector<NamedImage> images();
    /// The image called `name` (normalised by Reference, or a name@digest), or "@sha256:…" or a unique digest
    /// prefix of at least 6 digits. Empty when there is none; Error{usage} when a prefix is not unique.
    std::optional<NamedImage> find_image(std::string_view name);
    /// Names `manifest` (an image's or an index), whose blobs must stand in the store and are made durable first.
    /// Without names it is kept without one. Error{not_found} says which blob is missing.
    void tag(const std::vector<std::string>& names, const Descriptor& manifest);
    /// Takes a name away, or with a digest as for find_image() an image with all its names. An image stays while
    /// another name holds it. False when there was none.
    bool untag(std::string_view name);
    Image read_image(const Descriptor& descriptor, const Platform& platform, const std::string& what);
    /// All images of an index, or the one for `platform` that `descriptor` is.
    std::vector<Image> read_images(const Descriptor& descriptor, const Platform& platform, const std::string& what);

    /// Makes everything written so far survive a power loss, unless nothing is to be waited for.
    void sync();
    /// The same before the record of a finished step is written, where steps are to survive.
    void sync_before_record();

    /// Says which blobs this running build needs; pruning spares them. Thread-safe. First lease, then look whether
    /// it is there: what was there before the lease may be gone.
    class Lease {
      public:
        void add(const Digest& blob);
        void add(const DeltaId& delta);
        /// Both, at the cost of one.
        void add(const DeltaId& delta, const Digest& blob);
        /// All blobs that were added.
        std::set<Digest> blobs() const;
        ~Lease();

      private:
        friend class Store;
        Lease(Directory directory, std::string name, FileLock lock, FileLock gate);
        void add(const DeltaId* delta, const Digest* blob);

        mutable std::mutex mutex_;
        std::set<Digest> blobs_;
        std::set<DeltaId> deltas_;
        Directory directory_;
        std::string name_;
        FileLock lock_;
        FileLock gate_;  ///< shared while a line is written, else paused
    };
    std::unique_ptr<Lease> lease();
    /// Re-reads the blobs that `lease` names and moves those that are damaged to corrupt/, so that a build that met one
    /// makes or brings it again. Returns them.
    std::vector<Digest> take_out_damaged(const Lease& lease);

    /// Re-hashes every blob, checks every document, record and reference, and every materialised delta that `deltas`
    /// can look into. Findings, worst first; `repair` moves damaged blobs to corrupt/, drops records that use them,
    /// names of images that cannot be whole, and damaged deltas.
    std::vector<Finding> fsck(bool repair, const DeltaAccess& deltas = {});
    /// Removes what no image, no running build and no recent use needs, least recently used first. While other
    /// processes use the store, what is younger than ten minutes and all tree records are spared.
    PruneResult prune(const PruneOptions& options, const RemoveDelta& remove_delta);

  private:
    Store() = default;
    std::string read_index_text() const;
    Index parse_index(std::string_view text) const;
    Index read_index() const { return parse_index(read_index_text()); }
    /// The index with at least the entries that hold one of `words`.
    Index read_entries(const std::vector<std::string>& words) const;
    /// `change` sees what read_entries() gives; all that it does not see stays.
    void change_index(const std::vector<std::string>& words, const std::function<void(Index&)>& change);
    void write_index(const std::string& before, const std::string& after);
    void require_writable(std::string_view doing) const;
    void set_aside(const Directory& directory, const std::string& name);
    friend class Checker;

    Directory root_;
    bool is_writable_ = false;
    StoreDurability durability_ = StoreDurability::images;
    FileLock use_;  ///< held while the store can be written
    Directory pending_;
    std::optional<TemporaryDirectory> scratch_;  ///< where blobs are written before they have a name
    std::unique_ptr<BlobStore> blobs_;
    std::mutex records_mutex_;
    std::unique_ptr<Records> records_;
};

}  // namespace imgbuild::layerstore
