// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/solver.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <set>

#include "base/cancel.h"
#include "base/task_pool.h"
#include "base/text.h"
#include "builder/exchange/imported_cache.h"
#include "builder/solve/edit_step.h"
#include "builder/solve/evaluator.h"
#include "builder/solve/failed_command.h"
#include "builder/solve/mailbox.h"
#include "builder/solve/pack_step.h"
#include "builder/solve/result_export.h"
#include "builder/solve/scan_reports.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

struct NodeState {
    std::vector<NodeId> users;
    std::size_t missing_inputs = 0;
    std::size_t chain = 0;  ///< nodes on the longest way to the end
    std::chrono::steady_clock::time_point started;
    std::vector<std::string> causes;  ///< why it was done
};

/// What the readers of the images' files go through: it lives as long as they do.
struct Ground {
    Ground(layerstore::Store& store, layerstore::Store::Lease& lease, const SolveOptions& of_options)
        : options(of_options), services(store, lease, options), contents(services) {}

    SolveOptions options;
    Services services;
    FileContents contents;
    std::vector<std::unique_ptr<NodeResult>> results;  ///< by node; null while there is none
};

/// All state of one build; only the caller's thread touches it.
class Solver {
  public:
    /// With Trust::nothing a failure is final: nobody will try again.
    Solver(const BuildPlan& plan, std::shared_ptr<Ground> ground, BuildObserver& observer, Trust trust)
        : plan_(plan),
          ground_(std::move(ground)),
          services_(ground_->services),
          contents_(ground_->contents),
          observer_(observer),
          evaluator_(services_, contents_, plan, trust, Keeping::results),
          may_come_again_(trust != Trust::nothing),
          export_(services_),
          nodes_(plan.nodes.size()),
          packers_(packer_threads),
          jobs_(services_.options.jobs == 0 ? available_processors() : services_.options.jobs) {
        for (const PlannedImage& image : plan.images) layer_nodes_.insert(image.layers.begin(), image.layers.end());
        ground_->results.resize(plan.nodes.size());
        link_nodes();
        add_inline_contents(plan, *services_.inline_contents);
        services_.notices.listen([this](std::string notice) {
            mailbox_.post([this, notice = std::move(notice)] { observer_.warning(notice); });
        });
    }
    // Where solve() was left by an exception, commands still run and print.
    ~Solver() {
        mailbox_.close();
        services_.notices.listen({});
    }
    Solver(const Solver&) = delete;
    Solver& operator=(const Solver&) = delete;

    std::variant<Solved, NotCached> solve() {
        while (true) {
            start_ready();
            if (running_steps_ + running_packs_ == 0) break;
            mailbox_.handle_one();
        }
        throw_if_cancelled();
        look_at_failure();
        throw_failure();
        if (not_cached_) return *not_cached_;
        Solved solved{.images = {}, .revisions = {}, .contents = {}, .steps = steps_, .cached_steps = cached_steps_};
        for (const PlannedImage& image : plan_.images) solved.images.push_back(solved_image(image));
        tell_caches();
        for (const auto& result : ground_->results) solved.revisions.push_back(result->revision);
        for (const auto& result : ground_->results) solved.contents.push_back(result->tree.content_id());
        return solved;
    }

  private:
    static constexpr std::size_t packer_threads = 2;  // one waits for the disk while the other feeds the workers

    using Packed = std::vector<FinishedLayer>;

    /// What of a node failed.
    enum class Part { step, layers, exported_layers };
    struct Failure {
        std::exception_ptr exception;
        Part part;
    };

    struct Later {
        const std::vector<NodeState>* nodes;
        bool operator()(NodeId a, NodeId b) const {
            const std::size_t chain_a = (*nodes)[a].chain;
            const std::size_t chain_b = (*nodes)[b].chain;
            return chain_a != chain_b ? chain_a > chain_b : a < b;
        }
    };

    void link_nodes() {
        for (NodeId id = plan_.nodes.size(); id-- > 0;) {
            const PlanNode& node = plan_.nodes[id];
            nodes_[id].missing_inputs = node.inputs.size();
            for (NodeId input : node.inputs) {
                nodes_[input].users.push_back(id);
                nodes_[input].chain = std::max(nodes_[input].chain, nodes_[id].chain + 1);
            }
        }
        for (NodeId id = 0; id < nodes_.size(); ++id)
            if (nodes_[id].missing_inputs == 0) ready_.insert(id);
    }

    bool is_stopping() const {
        return !failures_.empty() || !held_back_.empty() || not_cached_ || cancel_signal() != 0;
    }

    void start_ready() {
        while (!ready_.empty() && running_steps_ < jobs_.threads() && !is_stopping()) {
            const NodeId id = *ready_.begin();
            ready_.erase(ready_.begin());
            start(id);
        }
    }

    std::vector<const NodeResult*> inputs_of(NodeId id) const {
        std::vector<const NodeResult*> inputs;
        for (NodeId input : plan_.nodes[id].inputs) inputs.push_back(ground_->results[input].get());
        return inputs;
    }

    void start(NodeId id) {
        const PlanNode& node = plan_.nodes[id];
        std::vector<const NodeResult*> inputs = inputs_of(id);
        try {
            if (auto known = evaluator_.look_up(node, inputs)) {
                tell_facts(id, *known);
                tell_caches();
                observer_.cached(id);
                take(id, std::move(known), true);
                return;
            }
        } catch (...) {
            fail(id, std::current_exception(), Part::step);
            return;
        }
        tell_caches();
        // Of an edit the result tells.
        if (evaluator_.must_be_cached(node) && !std::holds_alternative<EditFiles>(node.operation)) {
            not_cached_ = NotCached{id, evaluator_.explain(node, inputs).causes};
            return;
        }
        observer_.started(id);
        nodes_[id].started = std::chrono::steady_clock::now();
        ++running_steps_;
        jobs_.submit([this, id, &node, inputs = std::move(inputs)] { evaluate(id, node, inputs); });
    }

    // On a thread of the pool.
    void evaluate(NodeId id, const PlanNode& node, const std::vector<const NodeResult*>& inputs) {
        const StepEvents events{.explained =
                                    [this, id](const std::vector<std::string>& causes) {
                                        mailbox_.post([this, id, causes] { explained(id, causes); });
                                    },
                                .output =
                                    [this, id](std::string_view bytes) {
                                        mailbox_.post_output(
                                            bytes, [this, id](std::string_view text) { observer_.output(id, text); });
                                    }};
        try {
            auto evaluated = std::make_shared<Evaluated>(evaluator_.evaluate(node, inputs, events));
            mailbox_.post([this, id, evaluated] {
                --running_steps_;
                finish(id, std::move(*evaluated));
            });
        } catch (...) {
            post_failure(id, running_steps_, std::current_exception(), Part::step);
        }
    }

    void post_failure(NodeId id, std::size_t& running, std::exception_ptr failure, Part part) {
        mailbox_.post([this, id, &running, failure = std::move(failure), part] {
            --running;
            fail(id, failure, part);
        });
    }

    void explained(NodeId id, const std::vector<std::string>& causes) {
        nodes_[id].causes = causes;
        if (!causes.empty()) observer_.explained(id, causes);
    }

    void tell_caches() {
        for (const std::string& warning : services_.imported.take_warnings()) observer_.warning(warning);
    }

    void finish(NodeId id, Evaluated evaluated) {
        tell_caches();
        if (!evaluated.result) {
            not_cached_ = NotCached{id, nodes_[id].causes};
            return;
        }
        tell_facts(id, *evaluated.result);
        if (evaluated.cached)
            observer_.cached(id);
        else
            observer_.finished(id, std::chrono::steady_clock::now() - nodes_[id].started, evaluated.detail);
        take(id, std::move(evaluated.result), evaluated.cached);
    }

    // Those that its first input does not have.
    void tell_deltas(NodeId id) {
        const NodeResult& result = *ground_->results[id];
        const std::size_t below = result.inputs.empty() ? 0 : result.inputs.front()->stack.size();
        std::vector<DeltaId> own;
        for (std::size_t i = below; i < result.stack.size(); ++i) own.push_back(result.stack[i].delta);
        if (!own.empty()) observer_.deltas_known(id, own);
    }

    void tell_facts(NodeId id, const NodeResult& result) {
        const Operation& operation = plan_.nodes[id].operation;
        if (std::holds_alternative<EditFiles>(operation) || std::holds_alternative<RunCommand>(operation))
            observer_.made(id, {result.stack.back().delta, result.cost});
    }

    void take(NodeId id, std::unique_ptr<NodeResult> result, bool cached) {
        ground_->results[id] = std::move(result);
        tell_deltas(id);
        if (plan_.nodes[id].number != 0) {
            ++steps_;
            if (cached) ++cached_steps_;
        }
        for (NodeId user : nodes_[id].users)
            if (--nodes_[user].missing_inputs == 0) ready_.insert(user);
        const NodeResult& done = *ground_->results[id];
        add_to_exports(done);
        const bool is_for_image = services_.options.goal.layers && layer_nodes_.contains(id);
        if (is_for_image || export_.wants_layers(done, layer_nodes_.contains(id)))
            start_packing(id, is_for_image ? Part::layers : Part::exported_layers);
    }

    void add_to_exports(const NodeResult& result) {
        // Keys cost something, and most builds export nothing.
        if (!services_.options.exports.empty())
            export_.add_result(result, evaluator_.named_step(*result.node, result.inputs));
    }

    void start_packing(NodeId id, Part part) {
        const NodeResult& result = *ground_->results[id];
        try {
            if (auto known = find_layers(result, services_)) {
                packed(id, std::move(*known));
                return;
            }
        } catch (...) {
            fail(id, std::current_exception(), part);
            return;
        }
        ++running_packs_;
        packers_.submit([this, id, &result, part] { pack_layers(id, result, part); });
    }

    // On a thread of the pool.
    void pack_layers(NodeId id, const NodeResult& result, Part part) {
        try {
            throw_if_cancelled();
            services_.imported.verify_for_image(result);
            const auto* from = std::get_if<FromImage>(&result.node->operation);
            Packed layers =
                from ? base_layers(*from->image, services_) : Packed{pack(result.stack.back(), services_, contents_)};
            mailbox_.post([this, id, layers = std::move(layers)] {
                --running_packs_;
                packed(id, layers);
            });
        } catch (...) {
            post_failure(id, running_packs_, std::current_exception(), part);
        }
    }

    void packed(NodeId id, Packed layers) {
        const NodeResult& result = *ground_->results[id];
        if (!std::holds_alternative<FromImage>(plan_.nodes[id].operation))
            export_.add_layer(result, layers.front(), layer_nodes_.contains(id));
        // What was claimed may be known here by now.
        if (result.vouchers != known_here) add_to_exports(result);
        packed_[id] = std::move(layers);
    }

    // What damage in the store made fail will be tried again, and is told only where it was not.
    void fail(NodeId id, const std::exception_ptr& failure, Part part) {
        tell_caches();
        bool comes_again = false;
        std::exception_ptr framed = failure;
        try {
            std::rethrow_exception(failure);
        } catch (Error& error) {
            comes_again = may_come_again_ && error.kind() == ErrorKind::corrupt;
            if (part != Part::step && !std::holds_alternative<FromImage>(plan_.nodes[id].operation))
                error.add_frame("packing its layer");
            error.add_frame(place_of(id));
            framed = std::current_exception();
        } catch (...) {
            // Nothing that we know how to name: it leaves as it is.
        }
        // A layer that goes to a cache and nowhere else is no reason to fail.
        if (part == Part::exported_layers && !comes_again && cancel_signal() == 0) {
            observer_.warning(fmt::format("it is not exported: {}", text_of(framed)));
            return;
        }
        (comes_again ? held_back_ : failures_).emplace(id, Failure{framed, part});
        if (!comes_again) tell(id, {framed, part});
    }

    std::string place_of(NodeId id) const {
        const PlanNode& node = plan_.nodes[id];
        std::string label = printable(node.label.substr(0, node.label.find('\n')));
        if (plan_.images.size() > 1 && !node.platform.empty()) label = fmt::format("[{}] {}", node.platform, label);
        if (node.span.empty() || !services_.options.locate) return label;
        return services_.options.locate(node.span) + ": " + label;
    }

    static StepFailure describe(const std::exception_ptr& exception) {
        try {
            std::rethrow_exception(exception);
        } catch (const CommandFailed& error) {
            return {error.message(), error.end(), error.log()};
        } catch (const Error& error) {
            return {error.message(), std::nullopt, {}};
        } catch (const std::exception& error) {
            return {error.what(), std::nullopt, {}};
        }
    }

    void tell(NodeId id, const Failure& failure) {
        failure.part == Part::step ? observer_.failed(id, describe(failure.exception)) : observer_.layers_failed(id);
    }

    // Of the failure that will be thrown.
    void look_at_failure() {
        if (failures_.empty() || !services_.options.when_command_failed) return;
        try {
            std::rethrow_exception(failures_.begin()->second.exception);
        } catch (CommandFailed& error) {
            if (error.state()) services_.options.when_command_failed(*error.state(), error);
            error.keep(nullptr);  // what it stands on ends with this build
        } catch (...) {
            // No command: there is nothing to look at.
        }
    }

    static std::string text_of(const std::exception_ptr& failure) {
        try {
            std::rethrow_exception(failure);
        } catch (const std::exception& error) {
            return error.what();
        }
    }

    // Of failures that no other attempt will mend the first one; only where there are none, one that comes again.
    void throw_failure() {
        if (!failures_.empty()) {
            for (const auto& [id, failure] : held_back_) tell(id, failure);
            std::rethrow_exception(failures_.begin()->second.exception);
        }
        if (!held_back_.empty()) std::rethrow_exception(held_back_.begin()->second.exception);
    }

    SolvedImage solved_image(const PlannedImage& planned) {
        SolvedImage image;
        const NodeResult& root = *ground_->results[planned.root];
        if (services_.options.goal.files)
            for (const StackLayer& layer : root.stack) services_.imported.verify_for_image(*layer.origin);
        image.tree = services_.options.goal.files ? tree_with_file_times(root) : root.tree;
        if (services_.options.goal.files) {
            auto held =
                std::make_shared<std::pair<std::shared_ptr<Ground>, std::shared_ptr<layerstore::ContentSources>>>(
                    ground_, contents_.of_tree(root));
            image.contents = {held, held->second.get()};
        }
        for (NodeId layer : planned.layers) {
            const Packed& packed = packed_[layer];
            if (std::holds_alternative<FromImage>(plan_.nodes[layer].operation)) image.base_layers += packed.size();
            image.layers.insert(image.layers.end(), packed.begin(), packed.end());
        }
        if (services_.options.inline_cache) image.inline_cache = inline_cache_of(planned);
        if (planned.scan) image.reports = read_scan_reports(*ground_->results[*planned.scan], contents_);
        return image;
    }

    std::string inline_cache_of(const PlannedImage& planned) {
        std::vector<ResultExport::ImageStep> steps;
        for (NodeId id : planned.layers) {
            const NodeResult& result = *ground_->results[id];
            ResultExport::ImageStep step{&result, evaluator_.named_step(plan_.nodes[id], result.inputs), std::nullopt};
            if (const auto found = packed_.find(id); step.step && found != packed_.end())
                step.layer = found->second.front();
            steps.push_back(std::move(step));
        }
        std::string text = export_.inline_cache(steps);
        if (text.empty()) observer_.warning("--cache-to type=inline: the records would make the config too long");
        return text;
    }

    // Trees of a build carry the constant that commands see; what leaves as files has the time that layers have.
    layerstore::Tree tree_with_file_times(const NodeResult& root) {
        const layerstore::FileTime time = services_.options.file_time;
        if (time == layerstore::default_file_time || services_.times.are_kept()) return root.tree;
        layerstore::Tree tree;
        for (const StackLayer& layer : root.stack) {
            layerstore::TreeDelta delta = services_.load_delta(layer.delta);
            const bool is_base = std::holds_alternative<FromImage>(layer.origin->node->operation);
            tree = layerstore::apply(tree, is_base ? delta : layerstore::with_times(delta, time));
        }
        return tree;
    }

    const BuildPlan& plan_;
    std::shared_ptr<Ground> ground_;
    Services& services_;
    FileContents& contents_;
    BuildObserver& observer_;
    Evaluator evaluator_;
    bool may_come_again_;
    ResultExport export_;
    std::vector<NodeState> nodes_;
    std::set<NodeId, Later> ready_{Later{&nodes_}};
    std::set<NodeId> layer_nodes_;         ///< that give an image its layers
    std::map<NodeId, Packed> packed_;      ///< by such a node
    std::map<NodeId, Failure> failures_;   ///< told
    std::map<NodeId, Failure> held_back_;  ///< damage that another attempt may get over; not told
    std::optional<NotCached> not_cached_;
    std::size_t running_steps_ = 0;
    std::size_t running_packs_ = 0;
    std::size_t steps_ = 0;
    std::size_t cached_steps_ = 0;
    Mailbox mailbox_;
    // Last, so that their threads are gone before what they use.
    TaskPool packers_;
    TaskPool jobs_;
};

}  // namespace

std::variant<Solved, NotCached> solve(const BuildPlan& plan, const SolveOptions& options, layerstore::Store& store,
                                      layerstore::Store::Lease& lease, BuildObserver& observer) {
    observer.plan_known(plan);
    auto attempt = [&](Trust trust) {
        return Solver(plan, std::make_shared<Ground>(store, lease, options), observer, trust).solve();
    };
    // Each time a cache is asked for less, so that this ends.
    auto attempt_with_caches = [&](Trust trust) {
        for (;;) {
            try {
                return attempt(trust);
            } catch (const ClaimFailed&) {
                for (const auto& cache : options.imports)
                    for (const std::string& warning : cache->take_warnings()) observer.warning(warning);
            }
        }
    };
    for (Trust trust : {Trust::records, Trust::bytes}) {
        try {
            return attempt_with_caches(trust);
        } catch (const BytesMissing&) {
            observer.warning("a result of an earlier build is gone from the store, or damaged: looking again");
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::corrupt) throw;
            if (!store.take_out_damaged(lease).empty()) {
                observer.warning(error.full_message() + ": looking again");
                continue;
            }
            observer.warning(error.full_message() + ": doing everything again");
            store.records().check_trees(true);  // or what stands above a lost node would keep it from coming back
            break;
        }
    }
    return attempt(Trust::nothing);
}

}  // namespace imgbuild::builder
