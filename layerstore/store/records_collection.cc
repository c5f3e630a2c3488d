// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.h"
#include "base/wire.h"
#include "layerstore/store/detail/database.h"
#include "layerstore/store/detail/record_values.h"
#include "layerstore/store/records.h"
#include "layerstore/tree/entry.h"

// What fsck and collection ask of the records, beside what builds do.

namespace imgbuild::layerstore {
namespace {

using detail::Query;
using Lock = std::lock_guard<std::recursive_mutex>;

std::uint64_t count(detail::Database& database, const char* sql) {
    Query query(database, sql);
    return query.step() ? static_cast<std::uint64_t>(query.number(0)) : 0;
}

std::vector<Digest> ids(detail::Database& database, const char* sql) {
    std::vector<Digest> list;
    Query query(database, sql);
    while (query.step()) list.push_back(query.digest(0));
    return list;
}

bool is_encoded_delta(std::string_view bytes) {
    try {
        static_cast<void>(TreeDelta::decode(bytes));
        return true;
    } catch (const Error&) {
        return false;
    }
}

}  // namespace

Records::Counts Records::counts() {
    const Lock lock(mutex_);
    return {count(*database_, "SELECT count(*) FROM node"), count(*database_, "SELECT count(*) FROM delta"),
            count(*database_, "SELECT count(*) FROM memo"), count(*database_, "SELECT count(*) FROM layer")};
}

void Records::each_memo(const std::function<void(const MemoRow&)>& visit) {
    const Lock lock(mutex_);
    write_uses();
    Query query(*database_, "SELECT kind, key, value, used FROM memo");
    while (query.step())
        visit({static_cast<MemoKind>(query.number(0)), query.digest(1), query.bytes(2), query.number(3)});
}

void Records::each_layer(const std::function<void(const LayerRecord&)>& visit) {
    const Lock lock(mutex_);
    Query query(*database_, "SELECT blob, value FROM layer");
    while (query.step())
        if (auto layer = detail::decode_layer(query.digest(0), query.view(1))) visit(*layer);
}

std::vector<std::pair<DeltaId, std::uint64_t>> Records::deltas() {
    const Lock lock(mutex_);
    std::vector<std::pair<DeltaId, std::uint64_t>> list;
    Query query(*database_, "SELECT id, length(value) FROM delta ORDER BY id");
    while (query.step()) list.emplace_back(DeltaId{query.digest(0)}, static_cast<std::uint64_t>(query.number(1)));
    return list;
}

std::vector<Digest> Records::nodes() {
    const Lock lock(mutex_);
    return ids(*database_, "SELECT id FROM node ORDER BY id");
}

std::vector<Digest> Records::link_tables() {
    const Lock lock(mutex_);
    return ids(*database_, "SELECT id FROM links ORDER BY id");
}

std::vector<TreeId> Records::children_of(const Digest& node) {
    std::vector<TreeId> children;
    try {
        const std::string bytes = load_node(TreeId{node});
        WireReader in(bytes, "tree node");
        in.byte();
        for (std::uint64_t left = in.varint(); left > 0; --left) {
            in.text();
            if (!decode_entry(in).is_directory()) continue;
            children.push_back(TreeId{in.digest()});
            in.digest();
        }
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::not_found) throw;
        children.clear();
    }
    return children;
}

void Records::remove_node(const Digest& id) {
    const Lock lock(mutex_);
    Query(*database_, "DELETE FROM node WHERE id = ?").bind(id).run();
}

void Records::remove_link_table(const Digest& id) {
    const Lock lock(mutex_);
    Query(*database_, "DELETE FROM links WHERE id = ?").bind(id).run();
}

void Records::remove_delta(const DeltaId& id) {
    const Lock lock(mutex_);
    Query(*database_, "DELETE FROM delta WHERE id = ?").bind(id.value).run();
}

void Records::remove_layer(const Digest& blob) {
    const Lock lock(mutex_);
    Query(*database_, "DELETE FROM layer WHERE blob = ?").bind(blob).run();
}

void Records::shrink() {
    const Lock lock(mutex_);
    database_->execute("PRAGMA incremental_vacuum");
}

std::vector<std::string> Records::check(bool repair) {
    const Lock lock(mutex_);
    std::vector<std::string> findings;
    auto inspect = [&](const char* table, const char* select, const char* remove, auto&& is_good) {
        std::vector<Digest> bad_ids;
        Query query(*database_, select);
        while (query.step()) {
            const Digest id = query.digest(0);
            if (is_good(query, id)) continue;
            findings.push_back(fmt::format("{} {}: damaged", table, id.text()));
            bad_ids.push_back(id);
        }
        if (!repair) return;
        for (const Digest& id : bad_ids) Query(*database_, remove).bind(id).run();
    };
    {
        Query query(*database_, "PRAGMA integrity_check(20)");
        while (query.step())
            if (query.view(0) != "ok") findings.push_back(fmt::format("database: {}", query.view(0)));
    }
    inspect("tree node", "SELECT id, value FROM node", "DELETE FROM node WHERE id = ?",
            [](Query& row, const Digest& id) { return detail::unseal("node", id, row.view(1)).has_value(); });
    inspect("link table", "SELECT id, value FROM links", "DELETE FROM links WHERE id = ?",
            [](Query& row, const Digest& id) { return Sha256::of(row.view(1)) == id; });
    inspect("delta", "SELECT id, value FROM delta", "DELETE FROM delta WHERE id = ?", [](Query& row, const Digest& id) {
        return Sha256::of(row.view(1)) == id && is_encoded_delta(row.view(1));
    });
    inspect("layer", "SELECT blob, value FROM layer", "DELETE FROM layer WHERE blob = ?",
            [](Query& row, const Digest& id) { return detail::decode_layer(id, row.view(1)).has_value(); });
    inspect("memo", "SELECT key, kind, value, preimage, created, sum FROM memo", "DELETE FROM memo WHERE key = ?",
            [](Query& row, const Digest& key) {
                const Memo memo{row.bytes(2), row.bytes(3), row.number(4)};
                return row.view(5) == detail::memo_sum(static_cast<MemoKind>(row.number(1)), key, memo);
            });
    return findings;
}

}  // namespace imgbuild::layerstore
