// SPDX-License-Identifier: Apache-2.0
#pragma once

// store.db: tree nodes, deltas, layers and memos, in SQLite (WAL on a local disk). Everything in it can be
// made again; a damaged or torn record is a miss and never an error for the user. One connection, guarded by
// a mutex: all functions are thread-safe, any number of processes share the file.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "layerstore/image/descriptor.h"
#include "layerstore/tree/tree.h"
#include "layerstore/tree/tree_delta.h"

struct sqlite3;

namespace imgbuild::layerstore {

/// What a memo is about; part of its key. Numbers are stored: never reuse one.
enum class MemoKind : std::uint8_t {
    run = 1,      ///< RunCommand key → delta
    edit = 2,     ///< EditFiles key → delta
    fetch = 3,    ///< FetchUrl key → content
    archive = 4,  ///< AddArchive key → delta
    apply = 5,    ///< (tree, delta) → tree
    pack = 6,     ///< (delta, format) → layer blob
    image = 7,    ///< manifest digest → tree and layers of a base image
    source = 8,   ///< reference → digest, where a registry was asked
};

struct Memo {
    std::string value;
    std::string preimage;      ///< the labelled parts of the key, for explanations
    std::int64_t created = 0;  ///< unix seconds
};

/// A layer blob and what is inside it.
struct LayerRecord {
    Descriptor blob;
    DiffId diff_id;
    DeltaId delta;
};

class Records final : public NodeSource {
  public:
    /// Opens or makes `path`/store.db. An unknown newer schema is Error{unsupported}; a damaged file is moved
    /// aside to store.db.damaged and begun anew.
    explicit Records(const std::string& directory);
    ~Records() override;

    std::optional<Memo> find_memo(MemoKind kind, const Digest& key);
    void put_memo(MemoKind kind, const Digest& key, std::string_view value, std::string_view preimage);
    void remove_memo(MemoKind kind, const Digest& key);
    /// The newest memos of a kind whose preimage begins with `prefix`, newest first: for explanations.
    std::vector<Memo> recent_memos(MemoKind kind, std::string_view preimage_prefix, std::size_t limit);

    /// Saves all nodes of `tree` that are not in the store yet, and its link table.
    void save_tree(const Tree& tree);
    /// Encoded TreeRef, for memos: docs/formats/tree.md.
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
    /// Blobs that hold `delta`, newest first.
    std::vector<LayerRecord> layers_of(const DeltaId& delta);

    /// Removes records that nothing in the kept sets needs; see Store::prune().
    struct Counts {
        std::uint64_t nodes = 0, deltas = 0, memos = 0, layers = 0;
    };
    Counts counts();
    /// SQLite's own integrity check and the digests of every record. Returns findings, one line each.
    std::vector<std::string> check();
    /// Groups what follows into one transaction until end(); nests.
    void begin();
    void end();

  private:
    struct Statements;
    mutable std::recursive_mutex mutex_;
    sqlite3* database_ = nullptr;
    std::unique_ptr<Statements> statements_;
    int depth_ = 0;
};

}  // namespace imgbuild::layerstore
