// SPDX-License-Identifier: Apache-2.0
#pragma once

// Content-addressed files: blobs/sha256/HEX of a store or of any OCI image layout. A blob appears under its
// name only when it is whole and its bytes were hashed; readers verify size and digest as they read. What
// stands under a blob's name and is no regular file (a link, a fifo) is never followed or waited for.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/digest.h"
#include "base/directory.h"
#include "base/stream.h"

namespace imgbuild::layerstore {

/// A blob being written. Discarded unless committed.
class BlobWriter final : public ByteWriter {
  public:
    BlobWriter(const Directory& scratch, const Directory& blobs);
    void write(std::span<const std::byte> bytes) override;
    std::uint64_t size() const noexcept { return hash_.count(); }

    /// The digest of what was written; nothing is written afterwards. For whoever must lease it before it is visible.
    const Digest& finish();
    /// Makes the blob visible under the digest of its bytes, in place of a file that stands there, and returns that
    /// digest. Not synced: BlobStore::sync() does that for all of them at once.
    Digest commit();
    /// As commit(), but bytes that are not `digest` and `size` are Error{corrupt} naming `what`, and nothing
    /// becomes visible.
    void commit_expecting(const Digest& digest, std::uint64_t size, std::string_view what);

  private:
    void publish();

    const Directory& blobs_;
    AtomicFile file_;
    HashingWriter hash_;
    std::optional<Digest> digest_;
};

class BlobStore {
  public:
    /// `root` holds blobs/sha256; scratch files are made in `scratch`, of the same file system.
    /// An empty `scratch` makes a store that is only read; else blobs/sha256 is made when missing.
    BlobStore(Directory root, Directory scratch);

    bool has(const Digest& digest) const { return size(digest).has_value(); }
    /// Bytes of the file that stands under the blob's name; empty where none does.
    std::optional<std::uint64_t> size(const Digest& digest) const;
    /// A reader that verifies; Error{not_found} when the blob is missing, Error{corrupt} when its file has
    /// another size or is no file. `what` names it in errors.
    std::unique_ptr<ByteReader> open(const Digest& digest, std::uint64_t size, std::string what) const;
    /// A whole small blob (manifest, config), verified; Error{invalid_input} above `limit` bytes.
    std::string read(const Digest& digest, std::uint64_t limit, std::string_view what) const;

    /// `size` bytes of a blob from `offset` on, not verified; empty where the blob is missing or shorter.
    std::optional<std::string> read_range(const Digest& digest, std::uint64_t offset, std::size_t size) const;

    /// Error{denied} on a store that is only read.
    std::unique_ptr<BlobWriter> begin() const;
    /// Stores `bytes` unless they are there, which is looked at byte by byte.
    Digest put(std::string_view bytes) const;
    /// Reads the whole blob: is it there, and what its name and `size` say?
    bool is_whole(const Digest& digest, std::uint64_t size) const;
    void remove(const Digest& digest) const;
    /// Every blob that is there, in order.
    std::vector<Digest> list() const;
    /// Flushes everything written to this file system to the disk (syncfs).
    void sync() const;

    const Directory& directory() const noexcept { return blobs_; }

  private:
    bool is_there() const noexcept { return blobs_.fd() >= 0; }

    Directory root_;
    Directory scratch_;
    Directory blobs_;
};

}  // namespace imgbuild::layerstore
