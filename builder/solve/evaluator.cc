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

StepKey key_of_edit(const PlanNode& node, const std::vector<const NodeResult*>& inputs) {
    const auto& edit = std::get<EditFiles>(node.operation);
    std::vector<ContentId> sources;
    if (const auto* transfer = std::get_if<TransferFiles>(&edit.edit))
        for (const TransferSource& source : transfer->sources)
            sources.push_back(content_of_source(source, *transfer, inputs.at(source.input + 1)->tree));
    return edit_key(edit, inputs.front()->tree.content_id(), sources);
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

}  // namespace

bool Evaluator::ignores_cache(const PlanNode& node) const {
    const SolveOptions& options = services_.options;
    return options.no_cache || std::ranges::count(options.no_cache_stages, to_lower(node.stage)) > 0;
}

std::unique_ptr<NodeResult> Evaluator::image_result(const PlanNode& node, ImageContent content) const {
    auto result = std::make_unique<NodeResult>();
    result->node = &node;
    result->tree = std::move(content.tree);
    for (const DeltaId& layer : content.layers) result->stack.push_back({layer, result.get()});
    return result;
}

std::unique_ptr<NodeResult> Evaluator::step_result(const PlanNode& node, const Inputs& inputs, const DeltaId& delta,
                                                   layerstore::Tree tree) const {
    auto result = std::make_unique<NodeResult>();
    result->node = &node;
    result->inputs = inputs;
    result->tree = std::move(tree);
    result->stack = inputs.front()->stack;
    result->stack.push_back({delta, result.get()});
    return result;
}

std::unique_ptr<NodeResult> Evaluator::known_step(MemoKind kind, const StepKey& key, const PlanNode& node,
                                                  const Inputs& inputs) {
    {
        const std::lock_guard lock(mutex_);
        looked_up_.insert(key.preimage());
    }
    std::optional<DeltaId> delta = services_.memos.find_step(kind, key);
    if (!delta) return nullptr;
    services_.lease.add(*delta);
    std::optional<layerstore::Tree> tree = services_.memos.find_applied(inputs.front()->tree, *delta);
    if (!tree) {
        tree = layerstore::apply(inputs.front()->tree, services_.load_delta(*delta));
        services_.memos.put_applied(inputs.front()->tree, *delta, *tree);
    }
    return step_result(node, inputs, *delta, std::move(*tree));
}

std::unique_ptr<NodeResult> Evaluator::look_up(const PlanNode& node, const Inputs& inputs) {
    if (std::holds_alternative<FromScratch>(node.operation)) return image_result(node, {});
    if (trust_ == Trust::nothing) return nullptr;
    if (const auto* from = std::get_if<FromImage>(&node.operation)) return look_up_image(node, *from);
    if (ignores_cache(node)) return nullptr;
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
    auto result = known_step(MemoKind::edit, key_of_edit(node, inputs), node, inputs);
    if (result) result->own_contents = archives_of(node, inputs, services_, contents_);
    return result;
}

std::unique_ptr<NodeResult> Evaluator::look_up_run(const PlanNode& node, const RunCommand& command,
                                                   const Inputs& inputs) {
    const StepKey key = key_of_run(command, inputs, services_.options.run);
    const Vouchers allowed = services_.imported.vouchers_of(inputs);
    if (allowed == known_here) {
        auto result = known_step(MemoKind::run, key, node, inputs);
        if (result && services_.has_bytes(result->stack.back().delta, trust_ == Trust::bytes)) return result;
    }
    std::optional<ImportedResults::Run> claimed = services_.imported.find_run(key, inputs.front()->tree, allowed);
    if (!claimed) return nullptr;
    auto result = step_result(node, inputs, claimed->delta, std::move(claimed->tree));
    result->vouchers = claimed->vouchers;
    return result;
}

std::optional<Evaluator::NamedStep> Evaluator::named_step(const PlanNode& node, const Inputs& inputs) const {
    if (const auto* command = std::get_if<RunCommand>(&node.operation))
        return NamedStep{MemoKind::run, key_of_run(*command, inputs, services_.options.run)};
    if (std::holds_alternative<EditFiles>(node.operation)) return NamedStep{MemoKind::edit, key_of_edit(node, inputs)};
    return std::nullopt;
}

bool Evaluator::is_promised(const PlanNode& node, const Inputs& inputs) {
    if (services_.options.imports.empty() || trust_ == Trust::nothing ||
        !std::holds_alternative<EditFiles>(node.operation) || ignores_cache(node))
        return false;
    return services_.imported.knows_edit(key_of_edit(node, inputs), services_.imported.vouchers_of(inputs));
}

Miss Evaluator::explain(const PlanNode& node, const Inputs& inputs) {
    const auto* command = std::get_if<RunCommand>(&node.operation);
    const bool is_edit = std::holds_alternative<EditFiles>(node.operation);
    if (node.number == 0 || (!command && !is_edit) || is_promised(node, inputs)) return {};
    auto is_of_this_build = [this](const std::string& preimage) {
        const std::lock_guard lock(mutex_);
        return looked_up_.contains(preimage);
    };
    const StepKey key = command ? key_of_run(*command, inputs, services_.options.run) : key_of_edit(node, inputs);
    Miss miss{.causes = {},
              .earlier = most_similar_step(services_.records, command ? MemoKind::run : MemoKind::edit, key,
                                           below(inputs), is_of_this_build)};
    if (trust_ == Trust::nothing)
        miss.causes = {"records of the store were damaged"};
    else if (ignores_cache(node))
        miss.causes = {"--no-cache asks for it"};
    else if (!miss.earlier)
        miss.causes = {"nothing like it was done before"};
    else if (miss.earlier->causes.empty())
        miss.causes = {"its result is not in the store any more"};
    else
        miss.causes = miss.earlier->causes;
    return miss;
}

Evaluated Evaluator::evaluate(const PlanNode& node, const Inputs& inputs, const Miss& miss,
                              const std::function<void(std::string_view)>& output) {
    throw_if_cancelled();
    if (const auto* from = std::get_if<FromImage>(&node.operation))
        return {image_result(node, read_content(services_, *from->image)), "", false};
    if (const auto* files = std::get_if<ContextFiles>(&node.operation)) return scan(node, *files);
    if (const auto* url = std::get_if<FetchUrl>(&node.operation))
        return take(node, fetch_file(*url, services_, ignores_cache(node)));
    if (const auto* git = std::get_if<FetchGit>(&node.operation))
        return take(node, fetch_git(*git, services_, ignores_cache(node)));
    if (std::holds_alternative<EditFiles>(node.operation)) return edit(node, inputs, miss);
    return run(node, inputs, output);
}

Evaluated Evaluator::scan(const PlanNode& node, const ContextFiles& files) {
    const BuildContext& any = services_.options.contexts.at(files.context);
    if (const auto* elsewhere = std::get_if<ContextElsewhere>(&any)) return bring(node, *elsewhere);
    const auto& context = std::get<ContextDirectory>(any);
    ContextOptions options;
    options.ignore = &context.ignore;
    options.wanted = files.wanted;
    options.git_modes = context.git_modes;
    ScannedContext scanned = scan_context(Directory::open_host(context.path), options,
                                          services_.store.subdirectory("contexts"), services_.workers);
    auto result = std::make_unique<NodeResult>();
    result->node = &node;
    result->tree = std::move(scanned.tree);
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
        loaded = std::make_shared<ContextTree>(load_context(context.place, access));
    }
    result->tree = loaded->tree;
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

Evaluated Evaluator::edit(const PlanNode& node, const Inputs& inputs, const Miss& miss) {
    EditOutcome outcome = edit_files(node, inputs, services_, contents_);
    const layerstore::TreeDelta delta = layerstore::with_times(outcome.delta, layerstore::default_file_time);
    const layerstore::Tree& root = inputs.front()->tree;
    layerstore::Tree tree = layerstore::apply(root, delta);
    const StepKey key = key_of_edit(node, inputs);
    const bool is_confirmed = is_promised(node, inputs) &&
                              services_.imported.confirms_edit(key, delta.id(), services_.imported.vouchers_of(inputs));
    const DeltaId id = services_.memos.put_step(MemoKind::edit, key, delta, root, tree);
    auto result = step_result(node, inputs, id, std::move(tree));
    result->own_contents = std::move(outcome.own_contents);
    return {std::move(result), "", is_confirmed, differing_from(miss.earlier, delta)};
}

std::vector<std::string> Evaluator::differing_from(const std::optional<EarlierStep>& earlier,
                                                   const layerstore::TreeDelta& delta) {
    constexpr std::size_t paths_named = 10;
    if (!earlier) return {};
    const auto before = services_.records.load_delta(earlier->delta);
    return before ? differing_paths(*before, delta, paths_named) : std::vector<std::string>();
}

Evaluated Evaluator::run(const PlanNode& node, const Inputs& inputs,
                         const std::function<void(std::string_view)>& output) {
    const auto& command = std::get<RunCommand>(node.operation);
    // What it stands on has to be what it is taken for: then its result is known here, and so may be what others did.
    for (const NodeResult* input : inputs) services_.imported.verify(*input);
    const StepKey key = key_of_run(command, inputs, services_.options.run);
    const FileLock lock = lock_step(services_.store, key.digest());
    if (auto known = look_up(node, inputs)) return {std::move(known), "", true};
    require_runnable(command.platform);
    if (ignores_cache(node)) renew_cache_mounts(command, services_);
    RunSpec spec = run_spec(command, inputs, services_, contents_, layers_);
    const layerstore::Tree& root = inputs.front()->tree;
    const layerstore::TreeDelta delta = run_command(std::move(spec), root, services_, output);
    layerstore::Tree tree = layerstore::apply(root, delta);
    const DeltaId id = services_.memos.put_step(MemoKind::run, key, delta, root, tree);
    layers_.note(id);
    return {step_result(node, inputs, id, std::move(tree)), "", false};
}

}  // namespace imgbuild::builder
