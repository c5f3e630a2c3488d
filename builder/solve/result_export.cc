// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/result_export.h"

#include <algorithm>

#include "builder/exchange/cache_export.h"
#include "builder/solve/pack_step.h"

namespace imgbuild::builder {
namespace {

// A config is pulled with every image, and runtimes take no more than a few megabytes.
constexpr std::size_t max_inline_bytes = 1 << 20;

ExportedBase base_of(const NodeResult& result) {
    const ResolvedImage& image = *std::get<FromImage>(result.node->operation).image;
    ExportedBase base{image.image.descriptor.digest, result.tree.content_id(), {}, {}};
    for (std::size_t i = 0; i < result.stack.size(); ++i)
        base.layers.push_back(
            {image.image.manifest.layers.at(i).digest, image.image.config.diff_ids.at(i), result.stack[i].delta});
    for (const char* path : {"/etc/passwd", "/etc/group"})
        if (const auto entry = result.tree.find(result.tree.resolve(ImagePath::clean(path))); entry && entry->is_file())
            base.files.push_back(entry->content);
    return base;
}

}  // namespace

void ResultExport::add_result(const NodeResult& result, const std::optional<Evaluator::NamedStep>& step) {
    if (std::holds_alternative<FromImage>(result.node->operation)) return add_image(result);
    if (!step) return;
    const StepName name{step->kind, step->key.digest()};
    const bool is_known = services_.imported.is_known_here(result);
    for (const auto& cache : services_.options.exports) {
        if (is_known)
            cache->add_step(name, step->key.preimage(), result.stack.back().delta);
        else
            cache->use_step(name);
    }
}

void ResultExport::add_image(const NodeResult& result) {
    const ExportedBase base = base_of(result);
    const bool is_known = services_.imported.is_known_here(result);
    for (const auto& cache : services_.options.exports) {
        if (is_known)
            cache->add_base(base);
        else
            cache->use_base(base.manifest);
    }
}

bool ResultExport::wants_layers(const NodeResult& result, bool is_of_image) {
    if (result.inputs.empty() || result.stack.empty()) return false;
    const bool is_step = std::holds_alternative<RunCommand>(result.node->operation) ||
                         std::holds_alternative<EditFiles>(result.node->operation);
    const bool is_wanted = std::ranges::any_of(
        services_.options.exports, [&](const auto& cache) { return is_of_image || cache->target().every_layer; });
    return is_step && is_wanted && services_.imported.vouchers_of({&result}) == known_here;
}

CachedLayer ResultExport::cached_layer(const NodeResult& result, const FinishedLayer& layer) const {
    return {layer.blob, layer.diff_id, pack_key_of(key_of_packing(result.stack.back(), services_))};
}

void ResultExport::add_layer(const NodeResult& result, const FinishedLayer& layer, bool is_of_image) {
    for (const auto& cache : services_.options.exports)
        if (is_of_image || cache->target().every_layer)
            cache->add_layer(result.stack.back().delta, cached_layer(result, layer));
}

std::string ResultExport::inline_cache(const std::vector<ImageStep>& steps) {
    InlineCache cache;
    for (const auto& [result, step, layer] : steps) {
        if (!services_.imported.is_known_here(*result)) continue;
        if (std::holds_alternative<FromImage>(result->node->operation)) {
            if (auto base = record_of(base_of(*result), services_.records)) cache.bases.push_back(std::move(*base));
        } else if (step) {
            const StepName name{step->kind, step->key.digest()};
            auto record = record_of(name, step->key.preimage(), result->stack.back().delta, services_.records);
            if (!record) continue;
            if (layer) record->layers.push_back(cached_layer(*result, *layer));
            cache.steps.emplace(name, std::move(*record));
        }
    }
    std::string text = encode_inline(cache);
    if (text.size() > max_inline_bytes) {
        cache.bases.clear();
        text = encode_inline(cache);
    }
    return text.size() > max_inline_bytes ? std::string() : text;
}

}  // namespace imgbuild::builder
