// SPDX-License-Identifier: Apache-2.0
#pragma once

// The memos of a build over the store's records: each function finds or keeps one kind of fact. Whatever cannot be
// read is a miss. Thread-safe.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "builder/cache/step_key.h"
#include "layerstore/layer/packing.h"
#include "layerstore/store/records.h"
#include "layerstore/tree/tree.h"

namespace imgbuild::builder {

/// What is inside a base image.
struct ImageContent {
    std::vector<DeltaId> layers;  ///< lowest first, each complete for what it lies on
    layerstore::Tree tree;
};

/// What an URL gave; its bytes are a blob.
struct FetchedContent {
    Digest blob;
    std::uint64_t size = 0;     ///< bytes
    std::int64_t modified = 0;  ///< seconds since 1970; 0 where nobody said it
    std::string etag;           ///< what the server calls this version; may be empty
};

/// What a step came to.
struct StepMemo {
    DeltaId delta;
    std::chrono::milliseconds cost{};  ///< how long it took when it was done; 0 where nobody noted it
};

/// A delta put on a root.
struct AppliedDelta {
    const layerstore::Tree& root;
    const layerstore::Tree& result;
};

/// A step that was done before, as its record alone tells it.
struct KnownStep {
    StepMemo memo;
    std::optional<layerstore::Tree> tree;  ///< on the root that was asked about
    std::optional<layerstore::LayerRecord>
        packed;  ///< its layer, packed as was asked; its blob need not stand any more
};

/// How a delta is to be packed.
struct PackKey {
    DeltaId delta;
    std::optional<layerstore::FileTime> time;  ///< of all entries; empty: those that the delta has
    layerstore::PackOptions options;
};

/// Of a layer, all that its bytes depend on: what caches of others call it by.
Digest pack_key_of(const PackKey& key);
/// The same but for the delta: what all layers of a build have in common.
Digest packing_of(const std::optional<layerstore::FileTime>& time, const layerstore::PackOptions& options);

class Memos {
  public:
    /// `records` is borrowed.
    explicit Memos(layerstore::Records& records) : records_(records) {}

    /// One read. `root` is what the step would be done on, `packing` a packing_of().
    std::optional<KnownStep> find_step(layerstore::MemoKind kind, const StepKey& key, const layerstore::Tree& root,
                                       const Digest& packing);
    bool has_step(layerstore::MemoKind kind, const StepKey& key);
    /// Keeps a step's delta, which `encoded` is, the tree that came out, and the step's memo, all or none.
    void put_step(layerstore::MemoKind kind, const StepKey& key, const StepMemo& memo, std::string_view encoded,
                  const AppliedDelta& applied);
    /// True if some step of this store made that delta.
    bool has_delta(const DeltaId& delta) { return records_.has_delta(delta); }
    /// apply(root, delta), where it was computed before.
    std::optional<layerstore::Tree> find_applied(const layerstore::Tree& root, const DeltaId& delta);
    void put_applied(const layerstore::Tree& root, const DeltaId& delta, const layerstore::Tree& result);

    std::optional<layerstore::LayerRecord> find_packed(const DeltaId& delta, const Digest& packing);
    /// `chunks` are those of the layer that later ones may use again.
    void put_packed(const Digest& packing, const layerstore::LayerRecord& layer,
                    std::span<const layerstore::PackedChunk> chunks);

    std::optional<ImageContent> find_image(const Digest& manifest);
    /// The records of the layers are saved already.
    void put_image(const Digest& manifest, const ImageContent& content);

    std::optional<FetchedContent> find_fetched(const StepKey& key);
    void put_fetched(const StepKey& key, const FetchedContent& content);

    /// The files of an archive or a repository.
    std::optional<layerstore::Tree> find_tree(const StepKey& key);
    void put_tree(const StepKey& key, const layerstore::Tree& tree);

    /// A few words that something foreign once said: which commit a branch was.
    std::optional<std::vector<std::string>> find_words(const StepKey& key);
    void put_words(const StepKey& key, const std::vector<std::string>& words);

    /// Small files of images that keys and edits look into (passwd, group), by their digest.
    std::optional<std::string> find_file(const Digest& content);
    void put_file(const Digest& content, std::string_view bytes);

  private:
    template <class Decode>
    auto find(layerstore::MemoKind kind, const Digest& key, Decode decode)
        -> std::optional<decltype(decode(std::declval<WireReader&>()))>;

    layerstore::Records& records_;
};

}  // namespace imgbuild::builder
