// SPDX-License-Identifier: Apache-2.0
#include "layerstore/store/detail/record_values.h"

#include "base/error.h"
#include "base/wire.h"
#include "layerstore/tree/entry.h"

namespace imgbuild::layerstore {
namespace detail {
namespace {

// Enough against accidents, which is what it is for: who can write store.db can write blobs as well.
constexpr std::size_t check_bytes = 16;

std::string check_of(std::string_view table, const Digest& key, std::string_view value) {
    return std::string(KeyHasher("record").add("table", table).add("key", key).add("value", value).finish().raw())
        .substr(0, check_bytes);
}

}  // namespace

std::string seal(std::string_view table, const Digest& key, std::string_view value) {
    return check_of(table, key, value).append(value);
}

std::optional<std::string> unseal(std::string_view table, const Digest& key, std::string_view sealed) {
    if (sealed.size() < check_bytes) return std::nullopt;
    const std::string_view value = sealed.substr(check_bytes);
    if (sealed.substr(0, check_bytes) != check_of(table, key, value)) return std::nullopt;
    return std::string(value);
}

std::string memo_sum(MemoKind kind, const Digest& key, const Memo& memo) {
    const Digest sum = KeyHasher("memo")
                           .add("kind", static_cast<std::uint64_t>(kind))
                           .add("key", key)
                           .add("value", memo.value)
                           .add("preimage", memo.preimage)
                           .add("created", static_cast<std::uint64_t>(memo.created))
                           .finish();
    return std::string(sum.raw().substr(0, check_bytes));
}

std::string encode_layer(const LayerRecord& layer) {
    WireWriter out;
    out.text(layer.blob.media_type).varint(layer.blob.size).digest(layer.diff_id.value).digest(layer.delta.value);
    return seal("layer", layer.blob.digest, out.bytes());
}

std::optional<LayerRecord> decode_layer(const Digest& blob, std::string_view sealed) {
    const auto value = unseal("layer", blob, sealed);
    if (!value) return std::nullopt;
    WireReader in(*value, "layer record");
    LayerRecord layer;
    layer.blob.digest = blob;
    layer.blob.media_type = in.text();
    layer.blob.size = in.varint();
    layer.diff_id.value = in.digest();
    layer.delta.value = in.digest();
    in.expect_end();
    return layer;
}

// Sealed under both digests of the row's key.
std::string encode_packed(const Digest& packing, const LayerRecord& layer) {
    WireWriter out;
    out.digest(layer.delta.value).text(layer.blob.media_type).digest(layer.blob.digest).varint(layer.blob.size);
    return seal("packed", packing, out.digest(layer.diff_id.value).bytes());
}

std::optional<LayerRecord> decode_packed(const DeltaId& delta, const Digest& packing, std::string_view sealed) {
    const auto value = unseal("packed", packing, sealed);
    if (!value) return std::nullopt;
    WireReader in(*value, "packing record");
    LayerRecord layer;
    layer.delta.value = in.digest();
    layer.blob.media_type = in.text();
    layer.blob.digest = in.digest();
    layer.blob.size = in.varint();
    layer.diff_id.value = in.digest();
    in.expect_end();
    return layer.delta == delta ? std::optional(std::move(layer)) : std::nullopt;
}

std::string encode_chunk(const PackedChunk& chunk) {
    WireWriter out;
    out.varint(chunk.sum).varint(chunk.offset).varint(chunk.size).varint(chunk.tar_size);
    return seal("chunk", chunk.key, out.bytes());
}

std::optional<PackedChunk> decode_chunk(const Digest& key, std::string_view sealed) {
    const auto value = unseal("chunk", key, sealed);
    if (!value) return std::nullopt;
    WireReader in(*value, "chunk record");
    PackedChunk chunk;
    chunk.key = key;
    chunk.sum = in.varint();
    chunk.offset = in.varint();
    chunk.size = in.varint();
    chunk.tar_size = in.varint();
    in.expect_end();
    return chunk;
}

std::vector<TreeId> children_in(std::string_view node) {
    std::vector<TreeId> children;
    WireReader in(node, "tree node");
    in.byte();
    for (std::uint64_t left = in.varint(); left > 0; --left) {
        in.text();
        if (!decode_entry(in).is_directory()) continue;
        children.push_back(TreeId{in.digest()});
        in.digest();
    }
    return children;
}

std::optional<TreeRef> tree_in(const MemoRow& memo) {
    const bool is_step = memo.kind == MemoKind::run || memo.kind == MemoKind::edit;
    if (!is_step && memo.kind != MemoKind::apply && memo.kind != MemoKind::image) return std::nullopt;
    try {
        if (is_step) {
            auto applied = StepValue::decode(memo.value).applied;
            return applied ? std::optional(std::move(applied->result)) : std::nullopt;
        }
        WireReader in(memo.value, "memo");
        return Records::decode_ref(in.text());
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt) throw;
        return std::nullopt;
    }
}

}  // namespace detail

std::string Records::encode_ref(const TreeRef& ref) {
    WireWriter out;
    encode_entry(out, ref.root, true);
    return out.digest(ref.node.value).digest(ref.content_node.value).digest(ref.links).take();
}

TreeRef Records::decode_ref(std::string_view bytes) {
    WireReader in(bytes, "tree reference");
    TreeRef ref;
    ref.root = decode_entry(in);
    ref.node.value = in.digest();
    ref.content_node.value = in.digest();
    ref.links = in.digest();
    in.expect_end();
    return ref;
}

}  // namespace imgbuild::layerstore
