// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/inspection.h"

#include "builder/sandbox/emulation.h"
#include "builder/solve/base_image.h"
#include "builder/solve/run_step.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

// As the node of a plan that came to it.
struct InspectedNode {
    PlanNode node;
    NodeResult result;

    InspectedNode(const InspectedState& state, Services& services) {
        result.node = &node;
        if (state.image) {
            require_runnable(state.image->image.config.platform);
            node.operation = FromImage{state.image};
            std::optional<ImageContent> content = known_content(services, *state.image);
            if (!content) content = read_content(services, *state.image, nullptr);
            result.tree = std::move(content->tree);
            for (const DeltaId& layer : content->layers) result.stack.push_back({layer, &result});
            return;
        }
        node.operation = FromScratch{};
        for (const DeltaId& layer : state.layers) {
            services.lease.add(layer);
            result.tree = layerstore::apply(result.tree, services.load_delta(layer));
            result.stack.push_back({layer, &result});
        }
    }
    InspectedNode(const InspectedNode&) = delete;
    InspectedNode& operator=(const InspectedNode&) = delete;
};

}  // namespace

RunEnd inspect(const InspectedState& state, const OwnCommand& command, const Attachment& attachment,
               const SolveOptions& options, layerstore::Store& store, layerstore::Store::Lease& lease,
               const std::function<void(std::string)>& warn) {
    Services services(store, lease, options);
    services.notices.listen(warn);
    FileContents contents(services);
    LayerStack layers(services, contents);
    const InspectedNode inspected(state, services);
    RunCommand run;
    run.environment = state.environment;
    run.user = state.user;
    run.working_directory = state.working_directory;
    run.network = state.network;
    run.mounts = state.mounts;
    const RunSpec spec = run_spec(run, {&inspected.result}, services, contents, layers);
    const auto find_tools = [&] {
        return options.tools ? lay_down_image(options.tools, services, layers) : std::vector<DeltaId>();
    };
    RunEnd end = services.sandbox.get().run_attached(as_own_command(spec, command, find_tools), attachment);
    for (const std::string& limit : end.not_enforced) services.notices.tell_once(limit);
    return end;
}

}  // namespace imgbuild::builder
