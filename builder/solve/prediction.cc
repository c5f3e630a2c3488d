// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/prediction.h"

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "builder/solve/edit_step.h"
#include "builder/solve/evaluator.h"

namespace imgbuild::builder {
namespace {

SolveOptions without_network(const SolveOptions& options) {
    SolveOptions looking = options;
    looking.offline = true;
    looking.require_cached = false;
    looking.require_cached_stages.clear();
    return looking;
}

/// Goes through the plan in its order, with the result of every node whose files are known without a command.
class Foresight {
  public:
    Foresight(const BuildPlan& plan, const SolveOptions& options, layerstore::Store& store,
              layerstore::Store::Lease& lease)
        : plan_(plan),
          options_(without_network(options)),
          services_(store, lease, options_),
          contents_(services_),
          evaluator_(services_, contents_, plan, Trust::records, Keeping::nothing) {
        add_inline_contents(plan, *services_.inline_contents);
    }

    std::vector<Prediction> look() {
        std::vector<Prediction> predictions;
        for (const PlanNode& node : plan_.nodes) {
            results_.emplace_back();
            predictions.push_back(look_at(node));
        }
        return predictions;
    }

  private:
    Prediction look_at(const PlanNode& node) {
        std::vector<const NodeResult*> inputs;
        for (const NodeId input : node.inputs) {
            if (!results_[input]) return {Foreseen::open, {"it depends on " + name_of_node(plan_.nodes[input])}};
            inputs.push_back(results_[input].get());
        }
        try {
            results_.back() = evaluator_.look_up(node, inputs);
            if (results_.back()) return {Foreseen::cached, {}};
            return look_closer(node, inputs);
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::interrupted) throw;
            return {Foreseen::open, {error.full_message()}};
        }
    }

    Prediction look_closer(const PlanNode& node, const std::vector<const NodeResult*>& inputs) {
        if (std::holds_alternative<RunCommand>(node.operation))
            return {Foreseen::done, evaluator_.explain(node, inputs).causes};
        if (std::holds_alternative<FromImage>(node.operation))
            return {Foreseen::done, {"its layers were not read yet"}};
        Prediction prediction{Foreseen::done, {}};
        const StepEvents events{
            .explained = [&](const std::vector<std::string>& causes) { prediction.causes = causes; },
            .output = [](std::string_view) {}};
        Evaluated evaluated = evaluator_.evaluate(node, inputs, events);
        results_.back() = std::move(evaluated.result);
        if (evaluated.cached) prediction.foreseen = Foreseen::cached;
        return prediction;
    }

    static std::string name_of_node(const PlanNode& node) {
        const std::string& text = node.written.empty() ? node.label : node.written;
        return printable(text.substr(0, text.find('\n')));
    }

    const BuildPlan& plan_;
    SolveOptions options_;
    Services services_;
    FileContents contents_;
    Evaluator evaluator_;
    std::vector<std::unique_ptr<NodeResult>> results_;  ///< by node; null where its files are not known
};

}  // namespace

std::vector<Prediction> predict(const BuildPlan& plan, const SolveOptions& options, layerstore::Store& store,
                                layerstore::Store::Lease& lease) {
    return Foresight(plan, options, store, lease).look();
}

}  // namespace imgbuild::builder
