// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/memos.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/compression.h"
#include "base/error.h"
#include "base/wire.h"

namespace imgbuild::builder {
namespace {

using layerstore::MemoKind;
using layerstore::Records;
using layerstore::Tree;

Digest applied_key(const Tree& root, const DeltaId& delta) {
    return KeyHasher("apply").add("root", root.id().value).add("delta", delta.value).finish();
}

void add_packing(StepKey& parts, const std::optional<layerstore::FileTime>& time,
                 const layerstore::PackOptions& options) {
    parts.add("time", time ? fmt::format("{}.{:09}", time->seconds, time->nanoseconds) : "of each entry");
    parts.add("compression", name_of(options.compression));
    parts.add("level", std::to_string(options.level));
    parts.add("compressor", compressor_version(options.compression));
    parts.add("format", layerstore::number_of(options.format));
}

StepMemo step_memo(const layerstore::StepValue& value) {
    constexpr std::uint64_t most = std::numeric_limits<std::int32_t>::max();
    return {value.delta, std::chrono::milliseconds(std::min(value.cost, most))};
}

}  // namespace

Digest pack_key_of(const PackKey& key) {
    StepKey parts("pack");
    parts.add("delta", key.delta.value);
    add_packing(parts, key.time, key.options);
    return parts.digest();
}

Digest packing_of(const std::optional<layerstore::FileTime>& time, const layerstore::PackOptions& options) {
    StepKey parts("packing");
    add_packing(parts, time, options);
    return parts.digest();
}

template <class Decode>
auto Memos::find(MemoKind kind, const Digest& key, Decode decode)
    -> std::optional<decltype(decode(std::declval<WireReader&>()))> {
    std::optional<layerstore::Memo> memo = records_.find_memo(kind, key);
    if (!memo) return std::nullopt;
    try {
        WireReader reader(memo->value, "memo");
        auto value = decode(reader);
        reader.expect_end();
        return value;
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt) throw;
        return std::nullopt;
    }
}

std::optional<KnownStep> Memos::find_step(MemoKind kind, const StepKey& key, const Tree& root, const Digest& packing) {
    std::optional<layerstore::StepRecord> record = records_.find_step(kind, key.digest(), packing);
    if (!record || !record->has_delta) return std::nullopt;
    KnownStep step{step_memo(record->value), std::nullopt, std::move(record->packed)};
    const auto& applied = record->value.applied;
    if (applied && applied->root == root.id()) step.tree = Tree::from_ref(applied->result, records_);
    return step;
}

bool Memos::has_step(MemoKind kind, const StepKey& key) {
    const std::optional<layerstore::StepRecord> record = records_.find_step(kind, key.digest(), {});
    return record && record->has_delta;
}

void Memos::put_step(MemoKind kind, const StepKey& key, const StepMemo& memo, std::string_view encoded,
                     const AppliedDelta& applied) {
    const layerstore::StepValue value{
        memo.delta, static_cast<std::uint64_t>(memo.cost.count()), {{applied.root.id(), applied.result.ref()}}};
    Records::Transaction transaction(records_);
    records_.save_delta(memo.delta, encoded);
    records_.save_tree(applied.result);
    records_.put_memo(kind, key.digest(), value.encode(), key.preimage());
}

std::optional<Tree> Memos::find_applied(const Tree& root, const DeltaId& delta) {
    return find(MemoKind::apply, applied_key(root, delta),
                [&](WireReader& reader) { return Tree::from_ref(Records::decode_ref(reader.text()), records_); });
}

void Memos::put_applied(const Tree& root, const DeltaId& delta, const Tree& result) {
    Records::Transaction transaction(records_);
    records_.save_tree(result);
    records_.put_memo(MemoKind::apply, applied_key(root, delta),
                      WireWriter().text(Records::encode_ref(result.ref())).take(), "");
}

std::optional<layerstore::LayerRecord> Memos::find_packed(const DeltaId& delta, const Digest& packing) {
    return records_.find_packed(delta, packing);
}

void Memos::put_packed(const Digest& packing, const layerstore::LayerRecord& layer,
                       std::span<const layerstore::PackedChunk> chunks) {
    Records::Transaction transaction(records_);
    records_.save_layer(layer);
    records_.save_chunks(layer.blob.digest, chunks);
    records_.save_packed(packing, layer);
}

std::optional<ImageContent> Memos::find_image(const Digest& manifest) {
    auto content = find(MemoKind::image, manifest, [&](WireReader& reader) {
        Tree tree = Tree::from_ref(Records::decode_ref(reader.text()), records_);
        std::vector<DeltaId> layers(reader.count(Digest::size));
        for (DeltaId& layer : layers) layer = {reader.digest()};
        return ImageContent{std::move(layers), std::move(tree)};
    });
    if (!content) return std::nullopt;
    for (const DeltaId& layer : content->layers)
        if (!records_.has_delta(layer)) return std::nullopt;
    return content;
}

void Memos::put_image(const Digest& manifest, const ImageContent& content) {
    WireWriter value;
    value.text(Records::encode_ref(content.tree.ref())).varint(content.layers.size());
    for (const DeltaId& layer : content.layers) value.digest(layer.value);
    Records::Transaction transaction(records_);
    records_.save_tree(content.tree);
    records_.put_memo(MemoKind::image, manifest, value.bytes(), "");
}

std::optional<FetchedContent> Memos::find_fetched(const StepKey& key) {
    return find(MemoKind::fetch, key.digest(), [](WireReader& reader) {
        FetchedContent content;
        content.blob = reader.digest();
        content.size = reader.varint();
        content.modified = reader.signed_varint();
        content.etag = reader.text();
        return content;
    });
}

void Memos::put_fetched(const StepKey& key, const FetchedContent& content) {
    WireWriter value;
    value.digest(content.blob).varint(content.size).signed_varint(content.modified).text(content.etag);
    records_.put_memo(MemoKind::fetch, key.digest(), value.bytes(), key.preimage());
}

std::optional<Tree> Memos::find_tree(const StepKey& key) {
    return find(MemoKind::fetch, key.digest(),
                [&](WireReader& reader) { return Tree::from_ref(Records::decode_ref(reader.text()), records_); });
}

void Memos::put_tree(const StepKey& key, const Tree& tree) {
    Records::Transaction transaction(records_);
    records_.save_tree(tree);
    records_.put_memo(MemoKind::fetch, key.digest(), WireWriter().text(Records::encode_ref(tree.ref())).take(),
                      key.preimage());
}

std::optional<std::vector<std::string>> Memos::find_words(const StepKey& key) {
    return find(MemoKind::fetch, key.digest(), [](WireReader& reader) {
        std::vector<std::string> words(reader.count(1));
        for (std::string& word : words) word = reader.text();
        return words;
    });
}

void Memos::put_words(const StepKey& key, const std::vector<std::string>& words) {
    WireWriter value;
    value.varint(words.size());
    for (const std::string& word : words) value.text(word);
    records_.put_memo(MemoKind::fetch, key.digest(), value.bytes(), key.preimage());
}

std::optional<std::string> Memos::find_file(const Digest& content) {
    std::optional<layerstore::Memo> memo = records_.find_memo(MemoKind::file, content);
    if (!memo || Sha256::of(memo->value) != content) return std::nullopt;
    return std::move(memo->value);
}

void Memos::put_file(const Digest& content, std::string_view bytes) {
    records_.put_memo(MemoKind::file, content, bytes, "");
}

}  // namespace imgbuild::builder
