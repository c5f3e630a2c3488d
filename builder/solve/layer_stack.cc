// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/layer_stack.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <thread>

#include "base/error.h"
#include "builder/solve/edit_step.h"
#include "layerstore/layer/layer_codec.h"

namespace imgbuild::builder {
namespace {

bool is_edit_of_context(const NodeResult& result) {
    return std::holds_alternative<EditFiles>(result.node->operation) &&
           std::ranges::any_of(result.inputs, [](const NodeResult* input) {
               return std::holds_alternative<ContextFiles>(input->node->operation);
           });
}

/// The pulled end of a stream that a thread pushes. Where that thread failed the end is an Error and no end: the stream
/// may break off between two entries, and what came until then would be taken for the whole.
class PushedReader final : public ByteReader {
  public:
    PushedReader(int fd, const std::atomic<bool>& has_failed) : reader_(fd, "layer"), has_failed_(has_failed) {}

    std::size_t read(std::span<std::byte> buffer) override {
        const std::size_t count = reader_.read(buffer);
        if (count == 0 && has_failed_) throw Error(ErrorKind::internal, "read: layer: broke off");
        return count;
    }

  private:
    FdReader reader_;
    const std::atomic<bool>& has_failed_;
};

/// Hands the canonical tar of `delta`, which is pushed, to `consume`, which pulls. Of two failures the first leaves: the
/// other end only sees that the stream broke off.
void pipe_layer(const layerstore::TreeDelta& delta, layerstore::ContentSources& contents,
                const std::function<void(ByteReader&)>& consume) {
    Pipe pipe = make_pipe();
    std::atomic<bool> has_failed = false;
    std::exception_ptr failure;
    auto fail = [&] {
        if (!has_failed.exchange(true)) failure = std::current_exception();
    };
    std::thread producer([&] {
        try {
            FdWriter writer(pipe.write_end.get(), "layer");
            layerstore::write_layer(delta, contents, writer);
        } catch (...) {
            fail();
        }
        pipe.write_end.reset();
    });
    try {
        PushedReader reader(pipe.read_end.get(), has_failed);
        consume(reader);
    } catch (...) {
        fail();
    }
    pipe.read_end.reset();
    producer.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace

std::vector<DeltaId> LayerStack::lay_down(const std::vector<StackLayer>& stack, bool first_seen_times) {
    std::vector<DeltaId> wanted;
    for (const StackLayer& layer : stack) wanted.push_back(layer.delta);
    look_at(std::move(wanted));
    std::vector<DeltaId> ids;
    for (const StackLayer& layer : stack) {
        if (first_seen_times && is_edit_of_context(*layer.origin)) {
            ids.push_back(lay_down_first_seen(layer));
        } else {
            lay_down(layer);
            ids.push_back(layer.delta);
        }
    }
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
    EditOutcome outcome = edit_files(*origin.node, origin.inputs, services_, contents_);
    return lay_down(outcome.delta, *contents_.of_layer(layer));
}

}  // namespace imgbuild::builder
