// SPDX-License-Identifier: Apache-2.0
#pragma once

// One node of the plan: what is known of it, or how to find out.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "builder/cache/explanation.h"
#include "builder/solve/fetch_step.h"
#include "builder/solve/file_contents.h"
#include "builder/solve/layer_stack.h"
#include "builder/solve/node_result.h"
#include "builder/solve/services.h"

namespace imgbuild::builder {

struct Evaluated {
    std::unique_ptr<NodeResult> result;
    std::string detail;                        ///< for people; may be empty
    bool cached = false;                       ///< another process had done it meanwhile, or a cache knew it
    std::vector<std::string> differing_paths;  ///< from the most similar earlier COPY; empty where there was none
};

/// Why a step has to be done.
struct Miss {
    std::vector<std::string> causes;     ///< lines for people
    std::optional<EarlierStep> earlier;  ///< the most similar step of an earlier build
};

/// How far the records of the store are believed.
enum class Trust {
    records,  ///< bytes that some build of this store laid down are there
    bytes,    ///< only those that this build's own sandbox can read
    nothing,  ///< everything is done again: a record is damaged
};

class Evaluator {
  public:
    Evaluator(Services& services, FileContents& contents, Trust trust)
        : services_(services), contents_(contents), layers_(services, contents), trust_(trust) {}

    /// What records tell about the node; null where it has to be evaluated. Cheap.
    std::unique_ptr<NodeResult> look_up(const PlanNode& node, const std::vector<const NodeResult*>& inputs);

    /// True where look_up() found nothing and a cache has a record of the step, so that evaluating it costs little and
    /// most likely tells what that says: Evaluated::cached.
    bool is_promised(const PlanNode& node, const std::vector<const NodeResult*>& inputs);

    /// What a COPY or RUN is known by; empty for what is neither.
    struct NamedStep {
        layerstore::MemoKind kind;
        StepKey key;
    };
    std::optional<NamedStep> named_step(const PlanNode& node, const std::vector<const NodeResult*>& inputs) const;

    /// Why look_up() found nothing; nothing for what is no step. Cheap. Runs on any thread.
    Miss explain(const PlanNode& node, const std::vector<const NodeResult*>& inputs);

    /// Does the work. Runs on any thread; `output` may be called from another one until it returns. `miss` is what
    /// explain() said.
    Evaluated evaluate(const PlanNode& node, const std::vector<const NodeResult*>& inputs, const Miss& miss,
                       const std::function<void(std::string_view)>& output);

  private:
    using Inputs = std::vector<const NodeResult*>;

    bool ignores_cache(const PlanNode& node) const;
    std::unique_ptr<NodeResult> image_result(const PlanNode& node, ImageContent content) const;
    std::unique_ptr<NodeResult> step_result(const PlanNode& node, const Inputs& inputs, const DeltaId& delta,
                                            layerstore::Tree tree) const;
    std::unique_ptr<NodeResult> known_step(layerstore::MemoKind kind, const StepKey& key, const PlanNode& node,
                                           const Inputs& inputs);
    std::unique_ptr<NodeResult> look_up_image(const PlanNode& node, const FromImage& from);
    std::unique_ptr<NodeResult> look_up_edit(const PlanNode& node, const Inputs& inputs);
    std::unique_ptr<NodeResult> look_up_run(const PlanNode& node, const RunCommand& command, const Inputs& inputs);
    Evaluated scan(const PlanNode& node, const ContextFiles& files);
    Evaluated bring(const PlanNode& node, const ContextElsewhere& context);
    Evaluated take(const PlanNode& node, FetchOutcome outcome) const;
    Evaluated edit(const PlanNode& node, const Inputs& inputs, const Miss& miss);
    std::vector<std::string> differing_from(const std::optional<EarlierStep>& earlier,
                                            const layerstore::TreeDelta& delta);
    Evaluated run(const PlanNode& node, const Inputs& inputs, const std::function<void(std::string_view)>& output);

    Services& services_;
    FileContents& contents_;
    LayerStack layers_;
    Trust trust_;
    std::mutex mutex_;
    std::set<std::string> looked_up_;  ///< preimages of this build's steps
};

}  // namespace imgbuild::builder
