// SPDX-License-Identifier: Apache-2.0
#pragma once

// store.db: tree nodes, deltas, layers and memos, in SQLite (WAL on a local disk; docs/formats/records.md).
// Everything in it can be made again; a damaged or torn record is a miss and never an error for the user. One
// connection, guarded by a mutex: all functions are thread-safe, any number of processes share the file.
//
// References are found, not declared: whatever a memo's value needs must stand in it as a digest, 32 raw bytes
// or "sha256:" and hex. Collection keeps every node, delta and blob that a kept memo names in this way.

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "layerstore/image/descriptor.h"
#include "layerstore/layer/packed_chunk.h"
#include "layerstore/store/durability.h"
#include "layerstore/store/step_value.h"
#include "layerstore/tree/tree.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::layerstore {

namespace detail {
class Database;
}

/// What a memo is about; part of its key. Numbers are stored: never reuse one.
enum class MemoKind : std::uint8_t {
    run = 1,     ///< RunCommand key → delta
    edit = 2,    ///< EditFiles key → delta
    fetch = 3,   ///< FetchUrl key → content; 4 and 6 are not to be used
    apply = 5,   ///< (tree, delta) → tree
    image = 7,   ///< manifest digest → tree and layers of a base image
    source = 8,  ///< reference → digest, where a registry was asked
    file = 9,    ///< content → the bytes of a small file
};

struct Memo {
    std::string value;
    std::string preimage;      ///< the labelled parts of the key, for explanations
    std::int64_t created = 0;  ///< unix seconds
};

/// A memo as collection sees it.
struct MemoRow {
    MemoKind kind;
    Digest key;
    std::string value;
    std::int64_t used = 0;     ///< unix seconds, a minute exact
    std::int64_t created = 0;  ///< unix seconds
};

/// A layer blob and what is inside it.
struct LayerRecord {
    Descriptor blob;
    DiffId diff_id;
    DeltaId delta;
};

/// A step's record: all that a build needs of a step that was done before, which is one read.
struct StepRecord {
    StepValue value;
    bool has_delta = false;             ///< false where the record of the delta is gone
    std::optional<LayerRecord> packed;  ///< its layer, where it was packed in the way that was asked for
};

enum class RecordsAccess { read_write, read_only, examine };

class Records final : public NodeSource {
  public:
    /// Opens or makes `directory`/store.db. An unknown newer schema is Error{unsupported}; a damaged file is
    /// moved aside to store.db.damaged and begun anew. For reading only, writing is Error{denied}. To examine them,
    /// a damaged file stays where it is, and where it cannot be opened that is Error{corrupt}.
    explicit Records(const std::string& directory, RecordsAccess access = RecordsAccess::read_write,
                     StoreDurability durability = StoreDurability::images);
    /// Writes the times of use that find_memo() noted.
    ~Records() override;

    std::optional<Memo> find_memo(MemoKind kind, const Digest& key);
    void put_memo(MemoKind kind, const Digest& key, std::string_view value, std::string_view preimage);
    void remove_memo(MemoKind kind, const Digest& key);
    /// The record of a step of this kind (run or edit), with its layer as `packing` made it (see save_packed()).
    std::optional<StepRecord> find_step(MemoKind kind, const Digest& key, const Digest& packing);
    /// The newest memos of a kind whose preimage begins with `prefix`, newest first: for explanations.
    std::vector<Memo> recent_memos(MemoKind kind, std::string_view preimage_prefix, std::size_t limit);

    /// Saves all nodes of `tree` that are not in the store yet, and its link table. A node that is in the store
    /// has all nodes below it there.
    void save_tree(const Tree& tree);
    /// Encoded TreeRef, for memos: docs/formats/records.md. decode_ref() throws Error{corrupt}.
    static std::string encode_ref(const TreeRef& ref);
    static TreeRef decode_ref(std::string_view bytes);
    std::string load_node(const TreeId& id) const override;
    std::string load_links(const Digest& id) const override;

    void save_delta(const DeltaId& id, std::string_view encoded);
    /// Empty when it is not there or does not match its id.
    std::optional<TreeDelta> load_delta(const DeltaId& id);
    bool has_delta(const DeltaId& id);

    void save_layer(const LayerRecord& layer);
    std::optional<LayerRecord> find_layer(const Digest& blob);
    /// Blobs that hold `delta`, newest first. They need not stand in the store any more.
    std::vector<LayerRecord> layers_of(const DeltaId& delta);

    /// Keeps that `layer` is what its delta is packed to in the way called `packing`: a digest of all that it depends on.
    void save_packed(const Digest& packing, const LayerRecord& layer);
    std::optional<LayerRecord> find_packed(const DeltaId& delta, const Digest& packing);

    /// Keeps where the chunks of `blob` lie. Of equal chunks the newest blob's counts.
    void save_chunks(const Digest& blob, std::span<const PackedChunk> chunks);
    struct ChunkPlace {
        Digest blob;  ///< which may be gone
        PackedChunk chunk;
    };
    std::optional<ChunkPlace> find_chunk(const Digest& key);

    struct Counts {
        std::uint64_t nodes = 0, deltas = 0, memos = 0, layers = 0;
    };
    Counts counts();

    /// SQLite's own integrity check and the digests of every record. Returns findings, one line each; `repair`
    /// takes the records that are wrong out, and begins anew where SQLite calls the file damaged.
    std::vector<std::string> check(bool repair = false);
    /// The part of check() that looks at trees: nodes that are damaged or lost, those above them, and memos whose
    /// trees lose by that. All of them go with `repair`, and are then written afresh by whoever needs them.
    std::vector<std::string> check_trees(bool repair);

    // For collection, which alone removes what others may name.
    void each_memo(const std::function<void(const MemoRow&)>& visit);
    void each_layer(const std::function<void(const LayerRecord&)>& visit);
    /// Bytes that the record of a delta takes, for each; in the order of ids, as the lists that follow.
    std::vector<std::pair<DeltaId, std::uint64_t>> deltas();
    std::vector<Digest> nodes();
    std::vector<Digest> link_tables();
    /// The directories right below a node; empty when it is missing or damaged.
    std::vector<TreeId> children_of(const Digest& node);
    void remove_node(const Digest& id);
    void remove_link_table(const Digest& id);
    void remove_delta(const DeltaId& id);
    void remove_layer(const Digest& blob);
    /// The chunks and packings of blobs that have no layer record.
    void remove_lost_blobs();
    /// Gives the pages that removals freed back to the file system.
    void shrink();

    /// Groups what follows into one transaction until end(), by the same thread; nests. Use Transaction.
    void begin();
    void end();

    /// Put a memo and the records that it names into one: then either all are there or none.
    class Transaction {
      public:
        explicit Transaction(Records& records) : records_(records) { records_.begin(); }
        Transaction(const Transaction&) = delete;
        Transaction& operator=(const Transaction&) = delete;
        /// What was written stays, also when an Error passes. A full disk loses all of it, silently.
        ~Transaction();

      private:
        Records& records_;
    };

  private:
    void save_node(const Subtree& node);
    void forget_tree(const MemoRow& memo);
    void note_use(MemoKind kind, const Digest& key, std::int64_t last);
    void require_writable() const;
    void write_uses();
    std::vector<std::string> check_rows(bool repair);
    void begin_anew();

    mutable std::recursive_mutex mutex_;
    std::unique_ptr<detail::Database> database_;
    std::set<std::pair<MemoKind, Digest>> uses_;  ///< memos that were used and are written down later
    int depth_ = 0;
};

}  // namespace imgbuild::layerstore
