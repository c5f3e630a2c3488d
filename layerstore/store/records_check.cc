// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "layerstore/store/detail/database.h"
#include "layerstore/store/detail/record_values.h"
#include "layerstore/store/records.h"

// What fsck asks of the records.

namespace imgbuild::layerstore {
namespace {

using detail::Query;
using Lock = std::lock_guard<std::recursive_mutex>;

bool is_encoded_delta(std::string_view bytes) {
    try {
        static_cast<void>(TreeDelta::decode(bytes));
        return true;
    } catch (const Error&) {
        return false;
    }
}

/// Every tree node, and which of them cannot be whole.
class NodeCheck {
  public:
    explicit NodeCheck(detail::Database& database) {
        Query query(database, "SELECT id, value FROM node");
        while (query.step()) read(query.digest(0), query.view(1));
        for (const auto& [child, above] : parents_)
            if (!there_.contains(child)) lost_.push_back(child);
        for (const Digest& id : damaged_) spoil_above(id);
        for (const Digest& id : lost_) spoil_above(id);
    }

    const std::vector<Digest>& damaged() const noexcept { return damaged_; }
    const std::vector<Digest>& lost() const noexcept { return lost_; }  ///< named by a node, and not there
    /// Those that are there and reach a damaged or lost one.
    const std::unordered_set<Digest>& spoiled() const noexcept { return spoiled_; }
    bool is_whole(const Digest& id) const {
        return there_.contains(id) && !spoiled_.contains(id) && !is_damaged_.contains(id);
    }

  private:
    void read(const Digest& id, std::string_view sealed) {
        there_.insert(id);
        try {
            if (const auto value = detail::unseal("node", id, sealed)) {
                for (const TreeId& child : detail::children_in(*value)) parents_[child.value].push_back(id);
                return;
            }
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::corrupt) throw;
        }
        damaged_.push_back(id);
        is_damaged_.insert(id);
    }

    void spoil_above(const Digest& id) {
        std::vector<Digest> to_visit{id};
        while (!to_visit.empty()) {
            const auto above = parents_.find(to_visit.back());
            to_visit.pop_back();
            if (above == parents_.end()) continue;
            for (const Digest& parent : above->second)
                if (!is_damaged_.contains(parent) && spoiled_.insert(parent).second) to_visit.push_back(parent);
        }
    }

    std::unordered_map<Digest, std::vector<Digest>> parents_;
    std::unordered_set<Digest> there_;
    std::unordered_set<Digest> is_damaged_;
    std::vector<Digest> damaged_;
    std::vector<Digest> lost_;
    std::unordered_set<Digest> spoiled_;
};

}  // namespace

// A node that stands promises all below it, so that nothing writes what was lost again. It goes with what names it.
std::vector<std::string> Records::check_trees(bool repair) {
    const Lock lock(mutex_);
    write_uses();  // or each_memo() would, and what is read below cannot be written in
    // Nodes and the memos that name them at one moment: others write both meanwhile.
    std::optional<Transaction> transaction;
    if (repair) transaction.emplace(*this);
    const detail::ReadSnapshot snapshot(*database_);
    const NodeCheck nodes(*database_);
    std::vector<std::string> findings;
    for (const Digest& id : nodes.damaged()) findings.push_back(fmt::format("tree node {}: damaged", id.text()));
    for (const Digest& id : nodes.lost()) findings.push_back(fmt::format("tree node {}: missing", id.text()));
    if (!nodes.spoiled().empty())
        findings.push_back(fmt::format("{} above a tree node that is damaged or missing",
                                       counted(nodes.spoiled().size(), "tree node stands", "tree nodes stand")));
    std::vector<MemoRow> incomplete;
    each_memo([&](const MemoRow& memo) {
        const auto tree = detail::tree_in(memo);
        if (!tree) return;
        const bool has_links =
            tree->links.is_zero() || Query(*database_, "SELECT 1 FROM links WHERE id = ?").bind(tree->links).step();
        if (!nodes.is_whole(tree->node.value) || !has_links) incomplete.push_back(memo);
    });
    for (const MemoRow& memo : incomplete)
        findings.push_back(fmt::format("memo {}: a part of its tree is missing", memo.key.text()));
    if (!repair) return findings;
    for (const Digest& id : nodes.damaged()) remove_node(id);
    for (const Digest& id : nodes.spoiled()) remove_node(id);
    for (const MemoRow& memo : incomplete) forget_tree(memo);
    return findings;
}

// What a step did is known by its delta: the tree is made of that again.
void Records::forget_tree(const MemoRow& row) {
    if (row.kind != MemoKind::run && row.kind != MemoKind::edit) return remove_memo(row.kind, row.key);
    auto memo = find_memo(row.kind, row.key);
    if (!memo) return;  // damaged, which check_rows() says
    StepValue value = StepValue::decode(memo->value);
    value.applied.reset();
    memo->value = value.encode();
    Query(*database_, "UPDATE memo SET value = ?, sum = ? WHERE kind = ? AND key = ?")
        .bind(memo->value)
        .bind(detail::memo_sum(row.kind, row.key, *memo))
        .bind(static_cast<std::int64_t>(row.kind))
        .bind(row.key)
        .run();
}

std::vector<std::string> Records::check_rows(bool repair) {
    std::vector<std::string> findings;
    auto inspect = [&](const char* table, const char* select, const char* remove, auto&& is_good) {
        std::vector<Digest> bad_ids;
        {
            Query query(*database_, select);
            while (query.step()) {
                const Digest id = query.digest(0);
                if (is_good(query, id)) continue;
                findings.push_back(fmt::format("{} {}: damaged", table, id.text()));
                bad_ids.push_back(id);
            }
        }
        if (!repair) return;
        for (const Digest& id : bad_ids) Query(*database_, remove).bind(id).run();
    };
    inspect("link table", "SELECT id, value FROM links", "DELETE FROM links WHERE id = ?",
            [](Query& row, const Digest& id) { return Sha256::of(row.view(1)) == id; });
    inspect("delta", "SELECT id, value FROM delta", "DELETE FROM delta WHERE id = ?", [](Query& row, const Digest& id) {
        return Sha256::of(row.view(1)) == id && is_encoded_delta(row.view(1));
    });
    inspect("layer", "SELECT blob, value FROM layer", "DELETE FROM layer WHERE blob = ?",
            [](Query& row, const Digest& id) { return detail::decode_layer(id, row.view(1)).has_value(); });
    inspect("chunk", "SELECT id, value FROM chunk", "DELETE FROM chunk WHERE id = ?",
            [](Query& row, const Digest& id) { return detail::decode_chunk(id, row.view(1)).has_value(); });
    inspect("packed layer of delta", "SELECT delta, packing, value FROM packed", "DELETE FROM packed WHERE delta = ?",
            [](Query& row, const Digest& id) {
                return detail::decode_packed(DeltaId{id}, row.digest(1), row.view(2)).has_value();
            });
    inspect("memo", "SELECT key, kind, value, preimage, created, sum FROM memo", "DELETE FROM memo WHERE key = ?",
            [](Query& row, const Digest& key) {
                const Memo memo{row.bytes(2), row.bytes(3), row.number(4)};
                return row.view(5) == detail::memo_sum(static_cast<MemoKind>(row.number(1)), key, memo);
            });
    for (std::string& line : check_trees(repair)) findings.push_back(std::move(line));
    return findings;
}

std::vector<std::string> Records::check(bool repair) {
    const Lock lock(mutex_);
    std::vector<std::string> findings;
    bool is_damaged = false;
    auto report_damage = [&](std::string_view what) {
        findings.push_back(fmt::format("database: {}", what));
        is_damaged = true;
    };
    if (!database_->damage_at_opening().empty())
        findings.push_back(
            fmt::format("database: {}: set aside as store.db.damaged and begun anew", database_->damage_at_opening()));
    try {
        {
            Query query(*database_, "PRAGMA integrity_check(20)");
            while (query.step())
                if (query.view(0) != "ok") report_damage(query.view(0));
        }
        if (!is_damaged)
            for (std::string& line : check_rows(repair)) findings.push_back(std::move(line));
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt) throw;
        report_damage(error.message());
    }
    if (is_damaged && repair) {
        begin_anew();
        findings.emplace_back(
            "database: set aside as store.db.damaged and begun anew: images stay, and the next builds do their steps "
            "again");
    }
    return findings;
}

void Records::begin_anew() {
    const std::string directory = database_->directory();
    const StoreDurability durability = database_->durability();
    uses_.clear();
    database_->condemn();
    database_.reset();
    database_ = std::make_unique<detail::Database>(directory, detail::Access::read_write, durability);
}

}  // namespace imgbuild::layerstore
