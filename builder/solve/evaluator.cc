// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/evaluator.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/cancel.h"
#include "base/text.h"
#include "builder/context/context_scan.h"
#include "builder/sandbox/emulation.h"
#include "builder/solve/base_image.h"
#include "builder/solve/edit_step.h"
#include "builder/solve/run_mounts.h"
#include "builder/solve/run_step.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

using layerstore::MemoKind;

StepKey key_of_edit(const PlanNode& node, const std::vector<const NodeResult*>& inputs, const StepTimes& times) {
    const auto& edit = std::get<EditFiles>(node.operation);
    EditKeyInputs key{times.identity(inputs.front()->tree), {}, times.text()};
    if (const auto* transfer = std::get_if<TransferFiles>(&edit.edit))
        for (const TransferSource& source : transfer->sources)
            key.sources.push_back(content_of_source(source, *transfer, inputs.at(source.input + 1)->tree, times));
    return edit_key(edit, key);
}

using Clock = std::chrono::steady_clock;

std::chrono::milliseconds since(Clock::time_point begun) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun);
}

std::string_view below(const std::vector<const NodeResult*>& inputs) {
    const bool is_base = std::holds_alternative<FromImage>(inputs.front()->node->operation);
    return is_base ? "the base image" : "the result of the step before it";
}

/// Held while one process runs a command that another one wants the result of as well. Few enough to stay, many enough
/// that two commands hardly ever share one.
FileLock lock_step(const layerstore::Store& store, const Digest& key) {
    constexpr std::size_t name_digits = 3;
    return FileLock::acquire(store.subdirectory("locks"), key.hex().substr(0, name_digits), LockMode::exclusive);
}

/// The images whose files some step reads or runs on, or with `all_files` the result is written out of: a COPY from the
/// context onto an image needs what is in it, not its bytes.
std::set<const PlanNode*> images_whose_files_are_used(const BuildPlan& plan, bool all_files) {
    std::vector<bool> is_used(plan.nodes.size());
    for (const PlannedImage& image : plan.images) is_used[image.root] = all_files;
    std::set<const PlanNode*> images;
    for (NodeId id = plan.nodes.size(); id-- > 0;) {
        const PlanNode& node = plan.nodes[id];
        if (is_used[id] && std::holds_alternative<FromImage>(node.operation)) images.insert(&node);
        const bool on_root = is_used[id] || std::holds_alternative<RunCommand>(node.operation);
        for (std::size_t i = on_root ? 0 : 1; i < node.inputs.size(); ++i) is_used[node.inputs[i]] = true;
    }
    return images;
}

}  // namespace

Evaluator::Evaluator(Services& services, FileContents& contents, const BuildPlan& plan, Trust trust, Keeping keeping)
    : services_(services),
      contents_(contents),
      layers_(services, contents),
      needs_files_(images_whose_files_are_used(plan, services.options.goal.files)),
      trust_(trust),
      keeping_(keeping) {}

bool Evaluator::ignores_cache(const PlanNode& node) const {
    const SolveOptions& options = services_.options;
    return options.no_cache || std::ranges::count(options.no_cache_stages, to_lower(node.stage)) > 0 ||
           (!node.span.empty() && std::ranges::count(options.no_cache_spans, node.span) > 0);
}

bool Evaluator::must_be_cached(const PlanNode& node) const {
    const SolveOptions& options = services_.options;
    return node.number != 0 &&
           (options.require_cached || std::ranges::count(options.require_cached_stages, to_lower(node.stage)) > 0);
}

// Two steps of one build that do the same are one step, also where results of earlier builds do not count.
bool Evaluator::was_made_here(const StepKey& key) {
    const std::lock_guard lock(mutex_);
    return made_.contains(key.preimage());
}

std::unique_ptr<NodeResult> Evaluator::image_result(const PlanNode& node, ImageContent content) const {
    auto result = std::make_unique<NodeResult>();
    result->node = &node;
    result->tree = std::move(content.tree);
    for (const DeltaId& layer : content.layers) result->stack.push_back({layer, result.get()});
    return result;
}

std::unique_ptr<NodeResult> Evaluator::step_result(const PlanNode& node, const Inputs& inputs, const StepMemo& memo,
                                                   layerstore::Tree tree) const {
    auto result = std::make_unique<NodeResult>();
    result->node = &node;
    result->inputs = inputs;
    result->tree = std::move(tree);
    result->cost = memo.cost;
    result->stack = inputs.front()->stack;
    result->stack.push_back({memo.delta, result.get()});
    return result;
}

std::unique_ptr<NodeResult> Evaluator::known_step(MemoKind kind, const StepKey& key, const PlanNode& node,
                                                  const Inputs& inputs) {
    {
        const std::lock_guard lock(mutex_);
        looked_up_.insert(key.preimage());
    }
    if (ignores_cache(node) && !was_made_here(key)) return nullptr;
    const layerstore::Tree& root = inputs.front()->tree;
    std::optional<KnownStep> known = services_.memos.find_step(kind, key, root, services_.packing);
    if (!known) return nullptr;
    const DeltaId& delta = known->memo.delta;
    // First leased, then looked for: what was there before may be gone.
    if (known->packed) {
        services_.lease.add(delta, known->packed->blob.digest);
        if (services_.store.blobs().size(known->packed->blob.digest) != known->packed->blob.size) known->packed.reset();
    } else {
        services_.lease.add(delta);
    }
    if (!known->tree) known->tree = services_.memos.find_applied(root, delta);
    if (!known->tree) {
        known->tree = layerstore::apply(root, services_.load_delta(delta));
        services_.memos.put_applied(root, delta, *known->tree);
    }
    auto result = step_result(node, inputs, known->memo, std::move(*known->tree));
    result->packed = std::move(known->packed);
    return result;
}

std::unique_ptr<NodeResult> Evaluator::look_up(const PlanNode& node, const Inputs& inputs) {
    if (std::holds_alternative<FromScratch>(node.operation)) return image_result(node, {});
    if (trust_ == Trust::nothing) return nullptr;
    if (const auto* from = std::get_if<FromImage>(&node.operation)) return look_up_image(node, *from);
    if (std::holds_alternative<EditFiles>(node.operation)) return look_up_edit(node, inputs);
    if (const auto* command = std::get_if<RunCommand>(&node.operation)) return look_up_run(node, *command, inputs);
    return nullptr;
}

std::unique_ptr<NodeResult> Evaluator::look_up_image(const PlanNode& node, const FromImage& from) {
    if (std::optional<ImageContent> content = known_content(services_, *from.image))
        return image_result(node, std::move(*content));
    std::optional<ImportedResults::Image> claimed = services_.imported.find_image(*from.image);
    if (!claimed) return nullptr;
    auto result = image_result(node, std::move(claimed->content));
    result->vouchers = claimed->vouchers;
    return result;
}

// A function of its inputs' content, so that records of this store hold whoever vouches for these.
std::unique_ptr<NodeResult> Evaluator::look_up_edit(const PlanNode& node, const Inputs& inputs) {
    auto result = known_step(MemoKind::edit, key_of_edit(node, inputs, services_.times), node, inputs);
    if (result) result->own_contents = archives_of(node, inputs, services_, contents_);
    return result;
}

std::unique_ptr<NodeResult> Evaluator::look_up_run(const PlanNode& node, const RunCommand& command,
                                                   const Inputs& inputs) {
    const StepKey key = key_of_run(command, inputs, services_);
    const Vouchers allowed = services_.imported.vouchers_of(inputs);
    if (allowed == known_here) {
        auto result = known_step(MemoKind::run, key, node, inputs);
        if (result && (result->packed || services_.has_bytes(result->stack.back().delta, trust_ == Trust::bytes)))
            return result;
    }
    if (ignores_cache(node)) return nullptr;
    std::optional<ImportedResults::Run> claimed = services_.imported.find_run(key, inputs.front()->tree, allowed);
    if (!claimed) return nullptr;
    auto result = step_result(node, inputs, {claimed->delta, {}}, std::move(claimed->tree));
    result->vouchers = claimed->vouchers;
    return result;
}

std::optional<Evaluator::NamedStep> Evaluator::named_step(const PlanNode& node, const Inputs& inputs) const {
    if (const auto* command = std::get_if<RunCommand>(&node.operation))
        return NamedStep{MemoKind::run, key_of_run(*command, inputs, services_)};
    if (std::holds_alternative<EditFiles>(node.operation))
        return NamedStep{MemoKind::edit, key_of_edit(node, inputs, services_.times)};
    return std::nullopt;
}

bool Evaluator::is_confirmed(const PlanNode& node, const Inputs& inputs, const StepKey& key, const DeltaId& id) {
    return is_promised(node, inputs) &&
           services_.imported.confirms_edit(key, id, services_.imported.vouchers_of(inputs));
}

bool Evaluator::is_promised(const PlanNode& node, const Inputs& inputs) {
    if (services_.options.imports.empty() || trust_ == Trust::nothing ||
        !std::holds_alternative<EditFiles>(node.operation) || ignores_cache(node))
        return false;
    return services_.imported.knows_edit(key_of_edit(node, inputs, services_.times),
                                         services_.imported.vouchers_of(inputs));
}

Miss Evaluator::explain(const PlanNode& node, const Inputs& inputs) {
    const auto* command = std::get_if<RunCommand>(&node.operation);
    const bool is_edit = std::holds_alternative<EditFiles>(node.operation);
    if (node.number == 0 || (!command && !is_edit) || is_promised(node, inputs)) return {};
    auto is_of_this_build = [this](const std::string& preimage) {
        const std::lock_guard lock(mutex_);
        return looked_up_.contains(preimage);
    };
    const StepKey key = command ? key_of_run(*command, inputs, services_) : key_of_edit(node, inputs, services_.times);
    const MemoKind kind = command ? MemoKind::run : MemoKind::edit;
    Miss miss{.causes = {},
              .earlier = most_similar_step(services_.records, kind, key, below(inputs), is_of_this_build,
                                           services_.imported.steps_like(kind, key))};
    if (trust_ == Trust::nothing)
        miss.causes = {"records of the store were damaged"};
    else if (ignores_cache(node))
        miss.causes = {"--no-cache asks for it"};
    else if (!miss.earlier)
        miss.causes = {"nothing like it was done before"};
    else if (miss.earlier->causes.empty())
        miss.causes = {miss.earlier->foreign_delta.empty() ? "its result is not in the store any more"
                                                           : "its result cannot be had from the cache that knows it"};
    else
        miss.causes = miss.earlier->causes;
    return miss;
}

Evaluated Evaluator::evaluate(const PlanNode& node, const Inputs& inputs, const StepEvents& events) {
    throw_if_cancelled();
    FileContents* needed = needs_files_.contains(&node) ? &contents_ : nullptr;
    if (const auto* from = std::get_if<FromImage>(&node.operation))
        return {image_result(node, read_content(services_, *from->image, needed)), "", false};
    if (const auto* files = std::get_if<ContextFiles>(&node.operation)) return scan(node, *files);
    if (const auto* url = std::get_if<FetchUrl>(&node.operation))
        return take(node, fetch_file(*url, services_, ignores_cache(node)));
    if (const auto* git = std::get_if<FetchGit>(&node.operation))
        return take(node, fetch_git(*git, services_, ignores_cache(node)));
    if (std::holds_alternative<EditFiles>(node.operation)) return edit(node, inputs, events);
    return run(node, inputs, events);
}

Evaluated Evaluator::scan(const PlanNode& node, const ContextFiles& files) {
    const BuildContext& any = services_.options.contexts.at(files.context);
    if (const auto* elsewhere = std::get_if<ContextElsewhere>(&any)) return bring(node, *elsewhere);
    const auto& context = std::get<ContextDirectory>(any);
    ContextOptions options;
    options.ignore = &context.ignore;
    options.wanted = files.wanted;
    options.git_modes = context.git_modes;
    options.own_times = services_.times.are_kept();
    ScannedContext scanned = scan_context(Directory::open_host(context.path), options,
                                          services_.store.subdirectory("contexts"), services_.workers);
    auto result = std::make_unique<NodeResult>();
    result->node = &node;
    result->tree = std::move(scanned.tree);
    if (scanned.own_times) result->first_seen = std::exchange(result->tree, std::move(*scanned.own_times));
    result->own_contents = std::move(scanned.contents);
    std::string detail = fmt::format("{}, {}", counted(scanned.files, "file", "files"), human_size(scanned.bytes));
    if (scanned.hashed_files != scanned.files) detail += fmt::format(", {} read", human_size(scanned.hashed_bytes));
    return {std::move(result), std::move(detail), false};
}

Evaluated Evaluator::bring(const PlanNode& node, const ContextElsewhere& context) {
    auto result = std::make_unique<NodeResult>();
    result->node = &node;
    std::shared_ptr<const ContextTree> loaded = context.loaded;
    if (!loaded) {
        RemoteAccess access = services_.remote(ignores_cache(node));
        loaded = std::make_shared<ContextTree>(load_context(context.place, access, context.git_modes));
    }
    result->tree = loaded->tree;
    if (services_.times.are_kept()) result->first_seen = std::exchange(result->tree, with_own_times(*loaded));
    result->own_contents = loaded->contents;
    result->revision = loaded->revision;
    return {std::move(result), loaded->detail, !context.loaded && loaded->cached};
}

Evaluated Evaluator::take(const PlanNode& node, FetchOutcome outcome) const {
    auto result = std::make_unique<NodeResult>();
    result->node = &node;
    result->tree = std::move(outcome.tree);
    result->own_contents = std::move(outcome.contents);
    result->revision = std::move(outcome.revision);
    return {std::move(result), std::move(outcome.detail), outcome.cached};
}

// What it comes to is known by doing it, which is no work where no archive is unpacked: one that some step gave before,
// on another base or from elsewhere, is a hit as good as one by key.
Evaluated Evaluator::edit(const PlanNode& node, const Inputs& inputs, const StepEvents& events) {
    const Clock::time_point begun = Clock::now();
    EditOutcome outcome = edit_files(node, inputs, services_, contents_);
    const layerstore::TreeDelta delta = services_.times.seal(outcome.delta);
    const std::string encoded = delta.encode();
    const DeltaId id{Sha256::of(encoded)};
    const bool counts = !ignores_cache(node) && trust_ != Trust::nothing;
    const StepKey key = key_of_edit(node, inputs, services_.times);
    Evaluated evaluated;
    evaluated.cached =
        (counts && !outcome.own_contents && services_.memos.has_delta(id)) || is_confirmed(node, inputs, key, id);
    if (!evaluated.cached) {
        events.explained(explain_edit(node, inputs, delta));
        if (must_be_cached(node)) return evaluated;
    }
    const layerstore::Tree& root = inputs.front()->tree;
    layerstore::Tree tree = layerstore::apply(root, delta);
    const StepMemo memo{id, since(begun)};
    keep(MemoKind::edit, key, memo, encoded, {root, tree});
    evaluated.result = step_result(node, inputs, memo, std::move(tree));
    evaluated.result->own_contents = std::move(outcome.own_contents);
    return evaluated;
}

std::vector<std::string> Evaluator::explain_edit(const PlanNode& node, const Inputs& inputs,
                                                 const layerstore::TreeDelta& delta) {
    constexpr std::size_t paths_named = 10;
    Miss miss = explain(node, inputs);
    const auto before =
        miss.earlier ? result_of(*miss.earlier, services_.records) : std::optional<layerstore::TreeDelta>();
    if (!before) return miss.causes;
    for (std::string& path : differing_paths(*before, delta, paths_named)) miss.causes.push_back(std::move(path));
    return miss.causes;
}

Evaluated Evaluator::run(const PlanNode& node, const Inputs& inputs, const StepEvents& events) {
    const auto& command = std::get<RunCommand>(node.operation);
    // What it stands on has to be what it is taken for: then its result is known here, and so may be what others did.
    for (const NodeResult* input : inputs) services_.imported.verify(*input);
    const StepKey key = key_of_run(command, inputs, services_);
    const FileLock lock = lock_step(services_.store, key.digest());
    if (auto known = look_up(node, inputs)) return {std::move(known), "", true};
    require_runnable(command.platform);
    const Miss miss = explain(node, inputs);
    events.explained(miss.causes);
    const Clock::time_point begun = Clock::now();
    if (ignores_cache(node)) renew_cache_mounts(command, services_);
    RunSpec spec = run_spec(command, inputs, services_, contents_, layers_);
    const layerstore::Tree& root = inputs.front()->tree;
    const RunDelta left =
        run_command(std::move(spec), root, delta_rules(command, services_), services_, layers_, events.output);
    layerstore::Tree tree = layerstore::apply(root, left.delta);
    const std::string encoded = left.delta.encode();
    const StepMemo memo{DeltaId{Sha256::of(encoded)}, since(begun)};
    keep(MemoKind::run, key, memo, encoded, {root, tree});
    layers_.note(memo.delta);
    std::string detail = miss.earlier && miss.earlier->delta == memo.delta ? "the same result as before" : "";
    if (left.scrubbed > 0)
        detail += fmt::format("{}{} left out (--repro=strict)", detail.empty() ? "" : ", ",
                              counted(left.scrubbed, "file", "files"));
    return {step_result(node, inputs, memo, std::move(tree)), std::move(detail), false};
}

void Evaluator::keep(MemoKind kind, const StepKey& key, const StepMemo& memo, std::string_view encoded,
                     const AppliedDelta& applied) {
    if (keeping_ == Keeping::nothing) return;
    services_.store.sync_before_record();
    services_.memos.put_step(kind, key, memo, encoded, applied);
    const std::lock_guard lock(mutex_);
    made_.insert(key.preimage());
}

}  // namespace imgbuild::builder
