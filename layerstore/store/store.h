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
//   pending/                                work in progress, swept once its lock is free
//   leases/                                 what running builds use
//   format                                  the version and the owner

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/directory.h"
#include "base/file_lock.h"
#include "base/temporary_directory.h"
#include "layerstore/blob/blob_store.h"
#include "layerstore/image/image.h"
#include "layerstore/image/layout.h"
#include "layerstore/store/records.h"

namespace imgbuild::layerstore {

struct NamedImage {
    std::string name;  ///< full reference; empty for an image without one
    Descriptor descriptor;
};

struct Finding {
    std::string object;  ///< "blob sha256:…", "index.json", "record …"
    std::string what;
    bool repaired = false;
};

struct PruneOptions {
    bool all = false;                            ///< also what images of the store do not need but builds may reuse
    std::optional<std::uint64_t> keep_bytes;     ///< stop when the store is that small
    std::optional<std::int64_t> unused_seconds;  ///< only what was not used for that long
    bool dry_run = false;
};
struct PruneResult {
    std::uint64_t blobs = 0, deltas = 0, bytes = 0;
};

class Store {
  public:
    /// Opens the store at `path`, made when missing (mode 0700). Error{denied} when another user owns it (both
    /// named), Error{unsupported} for a newer format; sweeps what dead processes left in pending/.
    static std::unique_ptr<Store> open(const std::string& path);
    /// $IMGBUILD_STORE, else /var/lib/imgbuild for root, else $XDG_DATA_HOME/imgbuild or ~/.local/share/imgbuild.
    static std::string default_path();

    const std::string& path() const noexcept { return root_.name(); }
    const Directory& root() const noexcept { return root_; }
    BlobStore& blobs() noexcept { return *blobs_; }
    Records& records();  ///< opened at first use: --version and friends do not pay for SQLite
    const Directory& pending() const noexcept { return pending_; }
    Directory subdirectory(const std::string& name) const;  ///< made when missing

    std::vector<NamedImage> images();
    /// The image called `name` (normalised by Reference), or "@sha256:…" or a unique digest prefix of at least
    /// 6 digits. Empty when there is none.
    std::optional<NamedImage> find_image(std::string_view name);
    /// Names `manifest`, whose blobs must stand in the store and are made durable first. Under the lock.
    void tag(const std::vector<std::string>& names, const Descriptor& manifest);
    /// Takes a name away; the image stays while another name holds it. False when there was none.
    bool untag(std::string_view name);
    Image read_image(const Descriptor& descriptor, const Platform& platform, const std::string& what);

    /// Makes everything written so far survive a power loss.
    void sync();

    /// Says which blobs this running build needs, before it relies on them; pruning spares them.
    class Lease {
      public:
        void add(const Digest& blob);
        void add(const DeltaId& delta);

      private:
        friend class Store;
        FileLock lock_;
        std::string name_;
        Directory directory_;
    };
    std::unique_ptr<Lease> lease();

    /// Re-hashes every blob, checks every document, record and reference. Findings, worst first; `repair`
    /// moves damaged blobs to corrupt/ and drops records that use them.
    std::vector<Finding> fsck(bool repair);
    PruneResult prune(const PruneOptions& options);

  private:
    Store() = default;

    Directory root_;
    Directory pending_;
    std::unique_ptr<BlobStore> blobs_;
    std::unique_ptr<Records> records_;
};

}  // namespace imgbuild::layerstore
