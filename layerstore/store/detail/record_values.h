// SPDX-License-Identifier: Apache-2.0
#pragma once

// The values of store.db's records (docs/formats/records.md): how each carries or implies a check, so that a
// torn or rotten one reads as missing.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "layerstore/store/records.h"

namespace imgbuild::layerstore::detail {

/// `value` behind a check of table, key and value.
std::string seal(std::string_view table, const Digest& key, std::string_view value);
/// What seal() was given; empty when the check fails.
std::optional<std::string> unseal(std::string_view table, const Digest& key, std::string_view sealed);

/// The check of a memo, over all its fields but the time of use.
std::string memo_sum(MemoKind kind, const Digest& key, const Memo& memo);

std::string encode_layer(const LayerRecord& layer);
/// Empty when the value is damaged.
std::optional<LayerRecord> decode_layer(const Digest& blob, std::string_view sealed);

/// The layer that its delta is packed to in the way called `packing`.
std::string encode_packed(const Digest& packing, const LayerRecord& layer);
/// Empty when the value is damaged, or is none.
std::optional<LayerRecord> decode_packed(const DeltaId& delta, const Digest& packing, std::string_view sealed);

std::string encode_chunk(const PackedChunk& chunk);
/// Empty when the value is damaged.
std::optional<PackedChunk> decode_chunk(const Digest& key, std::string_view sealed);

/// The directories right below an encoded tree node. Throws Error{corrupt}.
std::vector<TreeId> children_in(std::string_view node);

/// The tree that a memo's value holds; empty for kinds without one, and where there is none.
std::optional<TreeRef> tree_in(const MemoRow& memo);

}  // namespace imgbuild::layerstore::detail
