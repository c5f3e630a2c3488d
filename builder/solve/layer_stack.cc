// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/layer_stack.h"

#include <algorithm>

#include "base/cancel.h"
#include "base/side_by_side.h"
#include "builder/solve/edit_step.h"
#include "builder/solve/layer_pipe.h"

namespace imgbuild::builder {
namespace {

bool is_edit_of_context(const NodeResult& result) {
    return std::holds_alternative<EditFiles>(result.node->operation) &&
           std::ranges::any_of(result.inputs, [](const NodeResult* input) {
               return std::holds_alternative<ContextFiles>(input->node->operation);
           });
}

}  // namespace

std::vector<DeltaId> LayerStack::lay_down(const std::vector<StackLayer>& stack, bool first_seen_times) {
    std::vector<DeltaId> wanted;
    for (const StackLayer& layer : stack) wanted.push_back(layer.delta);
    look_at(std::move(wanted));
    std::vector<DeltaId> ids(stack.size());
    std::vector<std::size_t> missing;
    for (std::size_t i = 0; i < stack.size(); ++i) {
        ids[i] = stack[i].delta;
        const bool with_times = first_seen_times && is_edit_of_context(*stack[i].origin);
        if (with_times)
            ids[i] = lay_down_first_seen(stack[i]);
        else if (!stands(ids[i]))
            missing.push_back(i);
    }
    for_each_index(services_.workers, missing.size(), [&] {
        return [&](std::size_t number) {
            throw_if_cancelled();
            lay_down(stack[missing[number]]);
        };
    });
    return ids;
}

void LayerStack::look_at(std::vector<DeltaId> ids) {
    std::lock_guard lock(mutex_);
    std::erase_if(ids, [&](const DeltaId& id) { return standing_.contains(id); });
    if (ids.empty()) return;
    Sandbox& sandbox = services_.sandbox.get();
    for (const DeltaId& id : ids) services_.lease.add(id);
    std::erase_if(ids, [&](const DeltaId& id) { return !sandbox.has(id); });
    const std::vector<DeltaId> changed = sandbox.changed(ids);
    standing_.insert(ids.begin(), ids.end());
    for (const DeltaId& id : changed) {
        standing_.erase(id);
        sandbox.remove(id);
    }
}

bool LayerStack::stands(const DeltaId& id) {
    look_at({id});
    std::lock_guard lock(mutex_);
    return standing_.contains(id);
}

void LayerStack::note(const DeltaId& id) {
    std::lock_guard lock(mutex_);
    standing_.insert(id);
}

void LayerStack::lay_down(const StackLayer& layer) {
    if (stands(layer.delta)) return;
    layerstore::TreeDelta delta = services_.load_delta(layer.delta);
    auto contents = contents_.of_layer(layer);
    pipe_layer(delta, *contents, [&](ByteReader& tar) { services_.sandbox.get().materialise(layer.delta, tar); });
    note(layer.delta);
}

DeltaId LayerStack::lay_down(const layerstore::TreeDelta& delta, layerstore::ContentSources& contents) {
    const DeltaId id = delta.id();
    if (stands(id)) return id;
    pipe_layer(delta, contents, [&](ByteReader& tar) { services_.sandbox.get().materialise(id, tar); });
    note(id);
    return id;
}

DeltaId LayerStack::lay_down_first_seen(const StackLayer& layer) {
    const NodeResult& origin = *layer.origin;
    EditOutcome outcome = edit_files(*origin.node, origin.inputs, services_, contents_, SourceTimes::first_seen);
    return lay_down(outcome.delta, *contents_.of_layer(layer));
}

}  // namespace imgbuild::builder
