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
    std::unique_ptr<NodeResult> result;  ///< null under require_cached where the result was not there
    std::string detail;                  ///< for people; may be empty
    bool cached = false;                 ///< it was there: made by another process meanwhile, or by another step
};

/// Why a step has to be done.
struct Miss {
    std::vector<std::string> causes;     ///< lines for people
    std::optional<EarlierStep> earlier;  ///< the most similar step of an earlier build
};

/// Who hears what happens in a step, on any thread, until evaluate() returns.
struct StepEvents {
    std::function<void(const std::vector<std::string>&)> explained;  ///< as BuildObserver::explained
    std::function<void(std::string_view)> output;
};

/// How far the records of the store are believed.
enum class Trust {
    records,  ///< bytes that some build of this store laid down are there
    bytes,    ///< only those that this build's own sandbox can read
    nothing,  ///< everything is done again: a record is damaged
};

/// What is left of a step that was evaluated.
enum class Keeping {
    results,  ///< its result and its memo, for other builds
    nothing,  ///< its result in memory
};

class Evaluator {
  public:
    /// All are borrowed; `plan` holds every node that is asked for.
    Evaluator(Services& services, FileContents& contents, const BuildPlan& plan, Trust trust, Keeping keeping);

    /// What records tell about the node; null where it has to be evaluated. Cheap.
    std::unique_ptr<NodeResult> look_up(const PlanNode& node, const std::vector<const NodeResult*>& inputs);

    /// What a COPY or RUN is known by; empty for what is neither.
    struct NamedStep {
        layerstore::MemoKind kind;
        StepKey key;
    };
    std::optional<NamedStep> named_step(const PlanNode& node, const std::vector<const NodeResult*>& inputs) const;

    /// Why look_up() found nothing; nothing for what is no step. Cheap. Runs on any thread.
    Miss explain(const PlanNode& node, const std::vector<const NodeResult*>& inputs);

    /// Does the work. Runs on any thread.
    Evaluated evaluate(const PlanNode& node, const std::vector<const NodeResult*>& inputs, const StepEvents& events);

    /// True for a step that may not be done, only found: --require-cached.
    bool must_be_cached(const PlanNode& node) const;

  private:
    using Inputs = std::vector<const NodeResult*>;

    bool ignores_cache(const PlanNode& node) const;
    std::unique_ptr<NodeResult> image_result(const PlanNode& node, ImageContent content) const;
    std::unique_ptr<NodeResult> step_result(const PlanNode& node, const Inputs& inputs, const StepMemo& memo,
                                            layerstore::Tree tree) const;
    std::unique_ptr<NodeResult> known_step(layerstore::MemoKind kind, const StepKey& key, const PlanNode& node,
                                           const Inputs& inputs);
    /// True where a cache has a record of the step, so that evaluating it most likely tells what that says.
    bool is_promised(const PlanNode& node, const Inputs& inputs);
    bool is_confirmed(const PlanNode& node, const Inputs& inputs, const StepKey& key, const DeltaId& id);
    std::unique_ptr<NodeResult> look_up_image(const PlanNode& node, const FromImage& from);
    std::unique_ptr<NodeResult> look_up_edit(const PlanNode& node, const Inputs& inputs);
    std::unique_ptr<NodeResult> look_up_run(const PlanNode& node, const RunCommand& command, const Inputs& inputs);
    Evaluated scan(const PlanNode& node, const ContextFiles& files);
    Evaluated bring(const PlanNode& node, const ContextElsewhere& context);
    Evaluated take(const PlanNode& node, FetchOutcome outcome) const;
    Evaluated edit(const PlanNode& node, const Inputs& inputs, const StepEvents& events);
    std::vector<std::string> explain_edit(const PlanNode& node, const Inputs& inputs,
                                          const layerstore::TreeDelta& delta);
    Evaluated run(const PlanNode& node, const Inputs& inputs, const StepEvents& events);
    bool was_made_here(const StepKey& key);
    void keep(layerstore::MemoKind kind, const StepKey& key, const StepMemo& memo, std::string_view encoded,
              const AppliedDelta& applied);

    Services& services_;
    FileContents& contents_;
    LayerStack layers_;
    std::set<const PlanNode*> needs_files_;  ///< images
    Trust trust_;
    Keeping keeping_;
    std::mutex mutex_;
    std::set<std::string> looked_up_;  ///< preimages of this build's steps
    std::set<std::string> made_;       ///< of those that it did itself
};

}  // namespace imgbuild::builder
