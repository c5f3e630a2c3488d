// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/imported_results.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "builder/exchange/imported_cache.h"
#include "builder/solve/base_image.h"
#include "builder/solve/run_step.h"
#include "builder/solve/services.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

using layerstore::MemoKind;
using layerstore::Tree;
using layerstore::TreeDelta;

constexpr Vouchers voucher(std::size_t cache) { return Vouchers{1} << cache; }

// What `action` throws because of foreign bytes, as text; empty where all is well.
template <class Action>
std::string fault_of(Action&& action) {
    try {
        action();
        return {};
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::invalid_input && error.kind() != ErrorKind::corrupt &&
            error.kind() != ErrorKind::unsupported)
            throw;
        return error.full_message();
    }
}

}  // namespace

ImportedResults::ImportedResults(Services& services, std::vector<std::shared_ptr<ImportedCache>> caches)
    : services_(services), caches_(std::move(caches)) {
    if (caches_.size() > max_caches) caches_.resize(max_caches);
}

ImportedCache* ImportedResults::cache(std::size_t i, Vouchers allowed) const {
    return (allowed & voucher(i)) != 0 && !caches_[i]->is_dropped() ? caches_[i].get() : nullptr;
}

void ImportedResults::drop(Vouchers liars, const std::string& reason) {
    for (std::size_t i = 0; i < caches_.size(); ++i)
        if ((liars & voucher(i)) != 0) caches_[i]->drop(reason);
    throw ClaimFailed(reason);
}

Vouchers ImportedResults::vouchers_of(const NodeResult& result) {
    Vouchers all = known_here;
    for (const StackLayer& layer : result.stack) {
        const NodeResult& origin = *layer.origin;
        {
            const std::lock_guard lock(mutex_);
            if (verified_.contains(&origin)) continue;
        }
        all &= origin.vouchers;
        for (std::size_t i = 1; i < origin.inputs.size() && std::holds_alternative<EditFiles>(origin.node->operation);
             ++i)
            all &= vouchers_of(*origin.inputs[i]);
    }
    return all;
}

Vouchers ImportedResults::vouchers_of(const std::vector<const NodeResult*>& results) {
    Vouchers all = known_here;
    if (!caches_.empty())
        for (const NodeResult* result : results) all &= vouchers_of(*result);
    return all;
}

bool ImportedResults::is_known_here(const NodeResult& result) {
    const std::lock_guard lock(mutex_);
    return result.vouchers == known_here || verified_.contains(&result);
}

std::optional<ImportedResults::Image> ImportedResults::find_image(const ResolvedImage& image) {
    std::optional<Image> found;
    std::shared_ptr<const BaseRecord> first;
    for (std::size_t i = 0; i < caches_.size(); ++i) {
        ImportedCache* from = cache(i, known_here);
        const auto record = from ? from->find_base(image.image.descriptor.digest) : nullptr;
        if (!record) continue;
        if (!found) {
            const std::string fault = fault_of([&] { found = Image{content_of(*record, image), voucher(i)}; });
            if (!fault.empty()) drop(voucher(i), fault);
            first = record;
        } else if (std::ranges::equal(record->layers, first->layers, {}, &BaseRecord::Layer::delta,
                                      &BaseRecord::Layer::delta)) {
            found->vouchers |= voucher(i);
        }
    }
    return found;
}

ImageContent ImportedResults::content_of(const BaseRecord& record, const ResolvedImage& image) {
    const auto& blobs = image.image.manifest.layers;
    const auto& diff_ids = image.image.config.diff_ids;
    auto reject = [&](std::string_view what) {
        throw Error(ErrorKind::invalid_input, fmt::format("it says of {} {}", printable(image.name), what));
    };
    if (record.layers.size() != blobs.size()) reject("another number of layers");
    ImageContent content;
    for (std::size_t i = 0; i < blobs.size(); ++i) {
        const BaseRecord::Layer& layer = record.layers[i];
        if (layer.blob != blobs[i].digest || layer.diff_id != diff_ids.at(i)) reject("other layers than it has");
        content.tree = layerstore::apply(content.tree, TreeDelta::decode(layer.delta));
        content.layers.push_back({Sha256::of(layer.delta)});
    }
    if (content.tree.content_id() != record.root) reject("another content than its layers make");
    layerstore::Records::Transaction transaction(services_.records);
    for (std::size_t i = 0; i < blobs.size(); ++i) {
        services_.lease.add(content.layers[i]);
        services_.records.save_delta(content.layers[i], record.layers[i].delta);
    }
    keep_files(record.files);
    return content;
}

// By their digest, which is all that is believed of them.
void ImportedResults::keep_files(const std::vector<std::string>& files) {
    for (const std::string& file : files)
        if (!services_.memos.find_file(Sha256::of(file))) services_.memos.put_file(Sha256::of(file), file);
}

std::optional<ImportedResults::Run> ImportedResults::find_run(const StepKey& key, const Tree& root, Vouchers allowed) {
    std::optional<Run> found;
    for (std::size_t i = 0; i < caches_.size(); ++i) {
        ImportedCache* from = cache(i, allowed);
        const StepRecord* record = from ? from->find_step({MemoKind::run, key.digest()}) : nullptr;
        if (!record) continue;
        const DeltaId delta{Sha256::of(record->delta)};
        if (found) {
            if (found->delta == delta) found->vouchers |= voucher(i);
            continue;
        }
        if (from->is_without_bytes(delta)) continue;
        const std::string fault = fault_of([&] {
            found = Run{delta, layerstore::apply(root, TreeDelta::decode(record->delta)), voucher(i)};
        });
        if (!fault.empty()) drop(voucher(i), "a record of a RUN: " + fault);
        services_.lease.add(delta);
        layerstore::Records::Transaction transaction(services_.records);
        services_.records.save_delta(delta, record->delta);
        keep_files(record->files);
    }
    return found;
}

bool ImportedResults::knows_edit(const StepKey& key, Vouchers allowed) {
    for (std::size_t i = 0; i < caches_.size(); ++i)
        if (ImportedCache* from = cache(i, allowed); from && from->find_step({MemoKind::edit, key.digest()}))
            return true;
    return false;
}

bool ImportedResults::confirms_edit(const StepKey& key, const DeltaId& delta, Vouchers allowed) {
    bool is_confirmed = false;
    for (std::size_t i = 0; i < caches_.size(); ++i) {
        ImportedCache* from = cache(i, allowed);
        const StepRecord* record = from ? from->find_step({MemoKind::edit, key.digest()}) : nullptr;
        if (!record) continue;
        if (Sha256::of(record->delta) != delta.value) drop(voucher(i), "a record of a COPY is not what the COPY does");
        is_confirmed = true;
    }
    return is_confirmed;
}

void ImportedResults::verify(const NodeResult& result) {
    if (caches_.empty()) return;
    for (const StackLayer& layer : result.stack) verify_own(*layer.origin);
}

void ImportedResults::verify_for_image(const NodeResult& result) {
    for (std::size_t i = 0; i < caches_.size() && result.vouchers != known_here; ++i)
        if ((result.vouchers & voucher(i)) != 0 && caches_[i]->trust() == CacheTrust::verify) return verify_own(result);
}

void ImportedResults::verify_own(const NodeResult& result) {
    {
        const std::lock_guard lock(mutex_);
        if (verified_.contains(&result)) return;
    }
    if (result.vouchers != known_here) {
        if (std::holds_alternative<FromImage>(result.node->operation))
            verify_image(result);
        else
            verify_run(result);
    }
    const std::lock_guard lock(mutex_);
    verified_.insert(&result);
}

void ImportedResults::verify_image(const NodeResult& result) {
    const std::lock_guard lock(reading_image_);
    const ResolvedImage& image = *std::get<FromImage>(result.node->operation).image;
    std::optional<ImageContent> content = known_content(services_, image);
    if (!content) content = read_content(services_, image, nullptr);
    if (!std::ranges::equal(content->layers, result.stack, {}, {}, &StackLayer::delta))
        drop(result.vouchers, fmt::format("it says of {} what its layers do not hold", printable(image.name)));
}

void ImportedResults::verify_run(const NodeResult& result) {
    const StackLayer& layer = result.stack.back();
    if (!services_.find_blob(layer.delta) && !bring(layer) && !services_.has_bytes(layer.delta, false)) give_up(layer);
    keep_run(result);
}

// What a command of this store came to stays what it is.
void ImportedResults::keep_run(const NodeResult& result) {
    const StepKey key = key_of_run(std::get<RunCommand>(result.node->operation), result.inputs, services_);
    if (services_.memos.has_step(MemoKind::run, key)) return;
    const DeltaId& delta = result.stack.back().delta;
    services_.memos.put_step(MemoKind::run, key, {delta, result.cost}, services_.load_delta(delta).encode(),
                             {result.inputs.front()->tree, result.tree});
}

std::optional<layerstore::LayerRecord> ImportedResults::bring(const StackLayer& layer) {
    return bring(layer, std::nullopt);
}

std::optional<layerstore::LayerRecord> ImportedResults::bring(const StackLayer& layer,
                                                              const std::optional<Digest>& pack_key) {
    if (layer.origin->inputs.empty()) return std::nullopt;  // of a base image, whose layers come from where it does
    for (std::size_t i = 0; i < caches_.size(); ++i) {
        ImportedCache* from = cache(i, layer.origin->vouchers);
        if (!from) continue;
        for (const CachedLayer& blob : from->layers_of(layer.delta)) {
            if (pack_key && blob.pack_key != *pack_key) continue;
            const std::lock_guard lock(bringing_[blob.blob.digest.bytes()[0] >> 4]);
            services_.lease.add(blob.blob.digest);
            if (!from->bring(blob.blob)) continue;
            // Such a record is made of what was read.
            if (auto known = services_.records.find_layer(blob.blob.digest); known && known->delta == layer.delta)
                return known;
            const std::string what = fmt::format("layer {}", blob.blob.digest.short_hex());
            if (!holds(blob, layer, what)) drop(voucher(i), what + " does not hold what its record says");
            layerstore::LayerRecord record{blob.blob, blob.diff_id, layer.delta};
            services_.records.save_layer(record);
            return record;
        }
    }
    return std::nullopt;
}

std::optional<layerstore::LayerRecord> ImportedResults::bring_packed(const StackLayer& layer, const PackKey& key) {
    if (caches_.empty() || layer.origin->inputs.empty()) return std::nullopt;
    const bool is_edit = std::holds_alternative<EditFiles>(layer.origin->node->operation);
    if (is_edit ? !has_claimed_sources(layer) : layer.origin->vouchers == known_here) return std::nullopt;
    auto record = bring(layer, pack_key_of(key));
    if (!record) return std::nullopt;
    services_.memos.put_packed(services_.packing, *record, {});
    if (!is_edit) keep_run(*layer.origin);
    return record;
}

bool ImportedResults::has_claimed_sources(const StackLayer& layer) {
    const NodeResult& origin = *layer.origin;
    return !caches_.empty() && origin.inputs.size() > 1 &&
           vouchers_of(std::vector(origin.inputs.begin() + 1, origin.inputs.end())) != known_here;
}

// Times are those of the packing; the rest has to be what the delta says, on the files that it lies on.
bool ImportedResults::holds(const CachedLayer& blob, const StackLayer& layer, const std::string& what) {
    const Tree& root = layer.origin->inputs.front()->tree;
    bool is_same = false;
    const std::string fault = fault_of([&] {
        read_layer_tar(services_.store.blobs(), blob.blob, what, [&](ByteReader& tar) {
            HashingReader hashing(tar);
            const TreeDelta delta = layerstore::complete_for(
                layerstore::make_layer(layerstore::read_layer_entries(hashing, what), root, what), root);
            is_same = hashing.finish() == blob.diff_id.value && services_.times.seal(delta).id() == layer.delta;
        });
    });
    return fault.empty() && is_same;
}

void ImportedResults::give_up(const StackLayer& layer) {
    if (layer.origin->vouchers == known_here) return;
    for (std::size_t i = 0; i < caches_.size(); ++i)
        if ((layer.origin->vouchers & voucher(i)) != 0) caches_[i]->note_without_bytes(layer.delta);
    throw ClaimFailed("a result of a cache has no bytes");
}

std::vector<std::string> ImportedResults::take_warnings() {
    std::vector<std::string> all;
    for (const auto& one : caches_)
        for (std::string& warning : one->take_warnings()) all.push_back(std::move(warning));
    return all;
}

ForeignSteps ImportedResults::steps_like(MemoKind kind, const StepKey& key) {
    constexpr std::size_t looked_at = 256;
    ForeignSteps found;
    if (caches_.empty()) return found;
    found.own_preimage = shareable_preimage(key.preimage());
    const std::string prefix = StepKey(StepKey::read_preimage(key.preimage()).front().second).preimage();
    for (std::size_t i = 0; i < caches_.size(); ++i)
        if (ImportedCache* from = cache(i, known_here))
            for (const StepRecord* step : from->latest_steps(kind, prefix, looked_at))
                found.steps.push_back({step->preimage, step->delta});
    return found;
}

}  // namespace imgbuild::builder
