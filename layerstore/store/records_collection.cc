// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "layerstore/store/detail/database.h"
#include "layerstore/store/detail/record_values.h"
#include "layerstore/store/records.h"

// What collection asks of the records, beside what builds do.

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

}  // namespace

Records::Counts Records::counts() {
    const Lock lock(mutex_);
    return {count(*database_, "SELECT count(*) FROM node"), count(*database_, "SELECT count(*) FROM delta"),
            count(*database_, "SELECT count(*) FROM memo"), count(*database_, "SELECT count(*) FROM layer")};
}

void Records::each_memo(const std::function<void(const MemoRow&)>& visit) {
    const Lock lock(mutex_);
    write_uses();
    Query query(*database_, "SELECT kind, key, value, used, created FROM memo");
    while (query.step())
        visit({static_cast<MemoKind>(query.number(0)), query.digest(1), query.bytes(2), query.number(3),
               query.number(4)});
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
    try {
        return detail::children_in(load_node(TreeId{node}));
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt) throw;
        return {};
    }
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

void Records::remove_lost_blobs() {
    const Lock lock(mutex_);
    database_->execute("DELETE FROM chunk WHERE blob NOT IN (SELECT blob FROM layer)");
    database_->execute("DELETE FROM packed WHERE blob NOT IN (SELECT blob FROM layer)");
}

void Records::shrink() {
    const Lock lock(mutex_);
    database_->execute("PRAGMA incremental_vacuum");
}

}  // namespace imgbuild::layerstore
