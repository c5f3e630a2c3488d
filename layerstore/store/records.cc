// SPDX-License-Identifier: Apache-2.0
#include "layerstore/store/records.h"

#include <fmt/format.h>

#include <ctime>

#include "base/error.h"
#include "layerstore/store/detail/database.h"
#include "layerstore/store/detail/record_values.h"

namespace imgbuild::layerstore {
namespace {

using detail::Query;
using Lock = std::lock_guard<std::recursive_mutex>;

constexpr std::int64_t use_resolution = 60;  // seconds

std::int64_t now() { return static_cast<std::int64_t>(std::time(nullptr)); }

detail::Access access_of(RecordsAccess access) {
    switch (access) {
        case RecordsAccess::read_write: return detail::Access::read_write;
        case RecordsAccess::read_only: return detail::Access::read_only;
        case RecordsAccess::examine: return detail::Access::examine;
    }
    return detail::Access::read_only;
}

// A damaged database must cost a rebuild and nothing more: reading it is a miss, writing it is left out. The
// connection remembers the damage and moves the file aside when it closes.
template <class Result, class Action>
Result unless_damaged(Result otherwise, Action&& action) {
    try {
        return action();
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt) throw;
        return otherwise;
    }
}

template <class Action>
void unless_damaged(Action&& action) {
    unless_damaged(true, [&] { return action(), true; });
}

}  // namespace

Records::Records(const std::string& directory, RecordsAccess access, StoreDurability durability)
    : database_(std::make_unique<detail::Database>(directory, access_of(access), durability)) {}

Records::~Records() {
    try {
        write_uses();
    } catch (const Error&) {
        // A time of use that is lost makes a record look older than it is, no more.
    }
}

void Records::require_writable() const {
    if (!database_->is_writable())
        throw Error(ErrorKind::denied,
                    fmt::format("write {}: the store is opened for reading only", database_->path()));
}

std::optional<Memo> Records::find_memo(MemoKind kind, const Digest& key) {
    const Lock lock(mutex_);
    return unless_damaged(std::optional<Memo>(), [&]() -> std::optional<Memo> {
        Query query(*database_, "SELECT value, preimage, created, used, sum FROM memo WHERE kind = ? AND key = ?");
        if (!query.bind(static_cast<std::int64_t>(kind)).bind(key).step()) return std::nullopt;
        Memo memo{query.bytes(0), query.bytes(1), query.number(2)};
        if (query.view(4) != detail::memo_sum(kind, key, memo)) return std::nullopt;
        note_use(kind, key, query.number(3));
        return memo;
    });
}

void Records::note_use(MemoKind kind, const Digest& key, std::int64_t last) {
    if (now() - last >= use_resolution) uses_.emplace(kind, key);
}

std::optional<StepRecord> Records::find_step(MemoKind kind, const Digest& key, const Digest& packing) {
    const Lock lock(mutex_);
    return unless_damaged(std::optional<StepRecord>(), [&]() -> std::optional<StepRecord> {
        Query query(*database_,
                    "SELECT memo.value, preimage, memo.created, used, sum, delta.rowid, packed.value FROM memo "
                    "LEFT JOIN delta ON delta.id = substr(memo.value, 1, 32) "
                    "LEFT JOIN packed ON packed.delta = substr(memo.value, 1, 32) AND packed.packing = ?3 "
                    "WHERE kind = ?1 AND key = ?2");
        if (!query.bind(static_cast<std::int64_t>(kind)).bind(key).bind(packing).step()) return std::nullopt;
        const Memo memo{query.bytes(0), query.bytes(1), query.number(2)};
        if (query.view(4) != detail::memo_sum(kind, key, memo)) return std::nullopt;
        StepRecord step{StepValue::decode(memo.value), query.number(5) != 0, std::nullopt};
        step.packed = detail::decode_packed(step.value.delta, packing, query.view(6));
        note_use(kind, key, query.number(3));
        return step;
    });
}

void Records::put_memo(MemoKind kind, const Digest& key, std::string_view value, std::string_view preimage) {
    const Lock lock(mutex_);
    require_writable();
    const Memo memo{std::string(value), std::string(preimage), now()};
    unless_damaged([&] {
        Query(*database_,
              "INSERT OR REPLACE INTO memo(kind, key, value, preimage, created, used, sum) VALUES(?, ?, ?, ?, ?, ?, ?)")
            .bind(static_cast<std::int64_t>(kind))
            .bind(key)
            .bind(value)
            .bind(preimage)
            .bind(memo.created)
            .bind(memo.created)
            .bind(detail::memo_sum(kind, key, memo))
            .run();
    });
}

void Records::remove_memo(MemoKind kind, const Digest& key) {
    const Lock lock(mutex_);
    require_writable();
    unless_damaged([&] {
        Query(*database_, "DELETE FROM memo WHERE kind = ? AND key = ?")
            .bind(static_cast<std::int64_t>(kind))
            .bind(key)
            .run();
    });
}

std::vector<Memo> Records::recent_memos(MemoKind kind, std::string_view preimage_prefix, std::size_t limit) {
    const Lock lock(mutex_);
    std::vector<Memo> memos;
    unless_damaged([&] {
        Query query(*database_,
                    "SELECT value, preimage, created, key, sum FROM memo WHERE kind = ? "
                    "AND substr(preimage, 1, ?) = ? ORDER BY created DESC, rowid DESC LIMIT ?");
        query.bind(static_cast<std::int64_t>(kind)).bind(static_cast<std::int64_t>(preimage_prefix.size()));
        query.bind(preimage_prefix).bind(static_cast<std::int64_t>(limit));
        while (query.step()) {
            Memo memo{query.bytes(0), query.bytes(1), query.number(2)};
            if (query.view(4) == detail::memo_sum(kind, query.digest(3), memo)) memos.push_back(std::move(memo));
        }
    });
    return memos;
}

void Records::write_uses() {
    const Lock lock(mutex_);
    if (uses_.empty() || !database_->is_writable()) return;
    const Transaction transaction(*this);
    for (const auto& [kind, key] : uses_)
        Query(*database_, "UPDATE memo SET used = ? WHERE kind = ? AND key = ?")
            .bind(now())
            .bind(static_cast<std::int64_t>(kind))
            .bind(key)
            .run();
    uses_.clear();
}

void Records::save_tree(const Tree& tree) {
    const Lock lock(mutex_);
    require_writable();
    unless_damaged([&] {
        const Transaction transaction(*this);
        save_node(*tree.below());
        const Digest links = tree.ref().links;
        if (!links.is_zero())
            Query(*database_, "INSERT OR IGNORE INTO links(id, value) VALUES(?, ?)")
                .bind(links)
                .bind(tree.encoded_links())
                .run();
    });
}

void Records::save_node(const Subtree& node) {
    if (!node.is_loaded_from_memory()) return;
    {
        Query query(*database_, "SELECT 1 FROM node WHERE id = ?");
        if (query.bind(node.id().value).step()) return;
    }
    // Children first: a node that is there promises all that lies below it.
    for (const Child& child : node.children())
        if (child.below) save_node(*child.below);
    Query(*database_, "INSERT OR IGNORE INTO node(id, value) VALUES(?, ?)")
        .bind(node.id().value)
        .bind(detail::seal("node", node.id().value, node.encode()))
        .run();
}

std::string Records::load_node(const TreeId& id) const {
    const Lock lock(mutex_);
    Query query(*database_, "SELECT value FROM node WHERE id = ?");
    if (!query.bind(id.value).step())
        throw Error(ErrorKind::corrupt, fmt::format("store: tree node {}: missing", id.value.text()));
    auto value = detail::unseal("node", id.value, query.view(0));
    if (!value) throw Error(ErrorKind::corrupt, fmt::format("store: tree node {}: damaged", id.value.text()));
    return *std::move(value);
}

std::string Records::load_links(const Digest& id) const {
    const Lock lock(mutex_);
    Query query(*database_, "SELECT value FROM links WHERE id = ?");
    if (!query.bind(id).step())
        throw Error(ErrorKind::corrupt, fmt::format("store: link table {}: missing", id.text()));
    if (Sha256::of(query.view(0)) != id)
        throw Error(ErrorKind::corrupt, fmt::format("store: link table {}: damaged", id.text()));
    return query.bytes(0);
}

void Records::save_delta(const DeltaId& id, std::string_view encoded) {
    const Lock lock(mutex_);
    require_writable();
    unless_damaged([&] {
        Query(*database_, "INSERT OR REPLACE INTO delta(id, value) VALUES(?, ?)").bind(id.value).bind(encoded).run();
    });
}

std::optional<TreeDelta> Records::load_delta(const DeltaId& id) {
    const Lock lock(mutex_);
    return unless_damaged(std::optional<TreeDelta>(), [&]() -> std::optional<TreeDelta> {
        Query query(*database_, "SELECT value FROM delta WHERE id = ?");
        if (!query.bind(id.value).step() || Sha256::of(query.view(0)) != id.value) return std::nullopt;
        return TreeDelta::decode(query.view(0));
    });
}

bool Records::has_delta(const DeltaId& id) {
    const Lock lock(mutex_);
    return unless_damaged(false,
                          [&] { return Query(*database_, "SELECT 1 FROM delta WHERE id = ?").bind(id.value).step(); });
}

void Records::save_layer(const LayerRecord& layer) {
    const Lock lock(mutex_);
    require_writable();
    unless_damaged([&] {
        Query(*database_, "INSERT OR REPLACE INTO layer(blob, delta, value, created) VALUES(?, ?, ?, ?)")
            .bind(layer.blob.digest)
            .bind(layer.delta.value)
            .bind(detail::encode_layer(layer))
            .bind(now())
            .run();
    });
}

std::optional<LayerRecord> Records::find_layer(const Digest& blob) {
    const Lock lock(mutex_);
    return unless_damaged(std::optional<LayerRecord>(), [&]() -> std::optional<LayerRecord> {
        Query query(*database_, "SELECT value FROM layer WHERE blob = ?");
        if (!query.bind(blob).step()) return std::nullopt;
        return detail::decode_layer(blob, query.view(0));
    });
}

std::vector<LayerRecord> Records::layers_of(const DeltaId& delta) {
    const Lock lock(mutex_);
    std::vector<LayerRecord> layers;
    unless_damaged([&] {
        Query query(*database_, "SELECT blob, value FROM layer WHERE delta = ? ORDER BY created DESC, rowid DESC");
        query.bind(delta.value);
        while (query.step())
            if (auto layer = detail::decode_layer(query.digest(0), query.view(1))) layers.push_back(*std::move(layer));
    });
    return layers;
}

void Records::save_packed(const Digest& packing, const LayerRecord& layer) {
    const Lock lock(mutex_);
    require_writable();
    unless_damaged([&] {
        Query(*database_, "INSERT OR REPLACE INTO packed(delta, packing, blob, value) VALUES(?, ?, ?, ?)")
            .bind(layer.delta.value)
            .bind(packing)
            .bind(layer.blob.digest)
            .bind(detail::encode_packed(packing, layer))
            .run();
    });
}

std::optional<LayerRecord> Records::find_packed(const DeltaId& delta, const Digest& packing) {
    const Lock lock(mutex_);
    return unless_damaged(std::optional<LayerRecord>(), [&]() -> std::optional<LayerRecord> {
        Query query(*database_, "SELECT value FROM packed WHERE delta = ? AND packing = ?");
        if (!query.bind(delta.value).bind(packing).step()) return std::nullopt;
        return detail::decode_packed(delta, packing, query.view(0));
    });
}

void Records::save_chunks(const Digest& blob, std::span<const PackedChunk> chunks) {
    const Lock lock(mutex_);
    require_writable();
    unless_damaged([&] {
        const Transaction transaction(*this);
        for (const PackedChunk& chunk : chunks)
            Query(*database_, "INSERT OR REPLACE INTO chunk(id, blob, value) VALUES(?, ?, ?)")
                .bind(chunk.key)
                .bind(blob)
                .bind(detail::encode_chunk(chunk))
                .run();
    });
}

std::optional<Records::ChunkPlace> Records::find_chunk(const Digest& key) {
    const Lock lock(mutex_);
    return unless_damaged(std::optional<ChunkPlace>(), [&]() -> std::optional<ChunkPlace> {
        Query query(*database_, "SELECT blob, value FROM chunk WHERE id = ?");
        if (!query.bind(key).step()) return std::nullopt;
        const auto chunk = detail::decode_chunk(key, query.view(1));
        if (!chunk) return std::nullopt;
        return ChunkPlace{query.digest(0), *chunk};
    });
}

void Records::begin() {
    mutex_.lock();
    try {
        if (depth_ == 0 && database_->is_writable()) unless_damaged([&] { database_->execute("BEGIN IMMEDIATE"); });
    } catch (const Error&) {
        mutex_.unlock();
        throw;
    }
    ++depth_;
}

void Records::end() {
    const std::unique_lock<std::recursive_mutex> lock(mutex_, std::adopt_lock);
    if (--depth_ == 0 && database_->is_writable() && !database_->commit())
        throw Error(ErrorKind::no_space, fmt::format("write {}: the changes could not be kept", database_->path()));
}

Records::Transaction::~Transaction() {
    try {
        records_.end();
    } catch (const Error&) {
        // Nothing of it is there, and it can be made again: the same as if the build had been stopped before.
    }
}

}  // namespace imgbuild::layerstore
