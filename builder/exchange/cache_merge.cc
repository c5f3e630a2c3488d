// SPDX-License-Identifier: Apache-2.0
#include "builder/exchange/cache_merge.h"

#include <algorithm>

namespace imgbuild::builder {
namespace {

// True if nobody named the record since the build began.
template <class Name>
bool is_untouched(const std::map<Name, std::int64_t>& at_start, const Name& name, std::int64_t used) {
    const auto found = at_start.find(name);
    return found != at_start.end() && found->second == used;
}

bool is_unused(bool untouched, std::int64_t used, const CacheChanges& changes) {
    return changes.is_complete && untouched && used + spared_microseconds < changes.now;
}

void add_layers(StepRecord& step, const std::vector<CachedLayer>& more) {
    for (const CachedLayer& layer : more) {
        const auto same =
            std::ranges::find(step.layers, layer.blob.digest, [](const CachedLayer& l) { return l.blob.digest; });
        if (same == step.layers.end()) step.layers.push_back(layer);
    }
}

void merge_steps(StepRecords& steps, const CacheUses& at_start, const CacheChanges& changes) {
    for (auto step = steps.begin(); step != steps.end();) {
        const bool untouched = is_untouched(at_start.steps, step->first, step->second.used);
        const auto own = changes.steps.find(step->first);
        if (own != changes.steps.end()) {
            if (own->second.delta == step->second.delta)
                add_layers(step->second, own->second.layers);
            else if (untouched)
                step->second = own->second;
            step->second.used = changes.now;
        } else if (changes.used_steps.contains(step->first)) {
            step->second.used = changes.now;
        } else if (is_unused(untouched, step->second.used, changes)) {
            step = steps.erase(step);
            continue;
        }
        ++step;
    }
    for (const auto& [name, own] : changes.steps) {
        const auto [step, is_new] = steps.emplace(name, own);
        if (is_new) step->second.used = changes.now;
    }
}

}  // namespace

CacheUses CacheUses::of(const CacheContent& content) {
    CacheUses uses;
    for (const auto& [name, step] : content.steps) uses.steps.emplace_hint(uses.steps.end(), name, step.used);
    for (const auto& [image, base] : content.bases) uses.bases.emplace_hint(uses.bases.end(), image, base.used);
    return uses;
}

CacheContent merge_cache(CacheContent there, const CacheUses& at_start, const CacheChanges& changes) {
    merge_steps(there.steps, at_start, changes);
    for (auto base = there.bases.begin(); base != there.bases.end();) {
        const bool is_used = changes.used_bases.contains(base->first);
        const bool untouched = is_untouched(at_start.bases, base->first, base->second.used);
        if (is_used) base->second.used = changes.now;
        base = !is_used && is_unused(untouched, base->second.used, changes) ? there.bases.erase(base) : std::next(base);
    }
    for (const auto& [image, records] : changes.bases) there.bases[image] = {records, changes.now};
    return there;
}

bool has_all(const CacheContent& there, const CacheChanges& changes) {
    auto is_there = [&](const StepName& name) {
        const auto step = there.steps.find(name);
        return step != there.steps.end() && step->second.used >= changes.now;
    };
    auto has_base = [&](const Digest& image) {
        const auto base = there.bases.find(image);
        return base != there.bases.end() && base->second.used >= changes.now;
    };
    return std::ranges::all_of(changes.steps, [&](const auto& step) { return is_there(step.first); }) &&
           std::ranges::all_of(changes.used_steps, is_there) &&
           std::ranges::all_of(changes.bases, [&](const auto& base) { return has_base(base.first); });
}

bool adds_to(const CacheContent& there, const CacheChanges& changes) {
    auto has = [](const StepRecord& step, const CachedLayer& layer) {
        return std::ranges::any_of(step.layers,
                                   [&](const CachedLayer& other) { return other.blob.digest == layer.blob.digest; });
    };
    return std::ranges::any_of(changes.steps,
                               [&](const auto& own) {
                                   const auto step = there.steps.find(own.first);
                                   return step == there.steps.end() ||
                                          !std::ranges::all_of(own.second.layers, [&](const CachedLayer& layer) {
                                              return has(step->second, layer);
                                          });
                               }) ||
           std::ranges::any_of(changes.bases, [&](const auto& own) { return !there.bases.contains(own.first); });
}

std::vector<layerstore::Descriptor> limit_layers(StepRecords& steps, std::size_t most) {
    std::vector<StepRecord*> by_use;
    for (auto& [name, step] : steps) by_use.push_back(&step);
    std::ranges::stable_sort(by_use, std::ranges::greater(), &StepRecord::used);
    std::map<Digest, layerstore::Descriptor> layers;
    for (StepRecord* step : by_use)
        std::erase_if(step->layers, [&](const CachedLayer& layer) {
            if (layers.contains(layer.blob.digest)) return false;
            if (layers.size() >= most) return true;
            layers.emplace(layer.blob.digest, layer.blob);
            return false;
        });
    std::vector<layerstore::Descriptor> result;
    for (auto& [digest, layer] : layers) result.push_back(std::move(layer));
    return result;
}

}  // namespace imgbuild::builder
