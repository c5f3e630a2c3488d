// SPDX-License-Identifier: Apache-2.0
#include "builder/plan/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "builder/plan/global_arguments.h"
#include "builder/plan/scan_step.h"
#include "builder/plan/stage_planner.h"
#include "layerstore/image/reference.h"
#include "parser/buildfile/checks.h"

namespace imgbuild::builder {
namespace {

using parser::Stage;

/// docker-image://scratch: what FROM scratch begins with.
bool is_nothing(const NamedContext& context) {
    return context.kind == NamedContext::Kind::image && context.place == "scratch";
}

class Planner final : public PlanSpace {
  public:
    explicit Planner(const PlanRequest& request) : request_(request), globals_(request, diagnostics_) {}

    PlanResult run();

    NodeId add(PlanNode node) override {
        plan_.nodes.push_back(std::move(node));
        return plan_.nodes.size() - 1;
    }
    PlanNode& node(NodeId id) override { return plan_.nodes[id]; }
    const PlanRequest& request() const override { return request_; }
    parser::Diagnostics& diagnostics() override { return diagnostics_; }
    const parser::Environment& globals() const override { return globals_.values(); }
    NodeId stage_tree(const Stage& stage) override {
        const std::string name = stage.name().value_or("");
        if (const Stage* other = stage_of_context(name)) return planned(*other).root;
        auto context = find_context(name);
        return context ? context_tree(*context, request_.platform) : planned(stage).root;
    }
    NodeId outside_tree(const std::string& name, const layerstore::Platform& platform) override;

  private:
    const StageState& planned(const Stage& stage);
    void needed_by(const Stage& stage, std::set<std::size_t>& needed);
    void plan_stage(const Stage& stage);
    bool is_good(parser::Span span, const std::function<void()>& read);
    void begin_stage(const Stage& stage, StageState& state);
    void begin_with_image(const Stage& stage, StageState& state, std::shared_ptr<const ResolvedImage> image);
    std::shared_ptr<const ResolvedImage> image_of(const NamedContext& what, const layerstore::Platform& platform);
    void check_platform(const Stage& stage, const ResolvedImage& image, const layerstore::Platform& expected);
    void run_triggers(const Stage& stage, StageState& state);
    void number_steps(const StageState& state, const Stage& stage, NodeId first);
    std::optional<std::string> find_context(const std::string& name) const;
    const Stage* stage_of_context(const std::string& name) const;
    NodeId context_tree(const std::string& name, const layerstore::Platform& platform);
    void begin_with_nothing(const Stage& stage, StageState& state);
    void begin_with_directory(const Stage& stage, StageState& state, const std::string& context);
    NodeId image_tree(std::shared_ptr<const ResolvedImage> image);
    std::string scan_variable(const std::string& name, const StageState& state) const;
    std::vector<ScanExtra> scan_extras(const Stage& target);

    const PlanRequest& request_;
    std::size_t current_stage_ = 0;  // the one whose instructions are being planned
    BuildPlan plan_;
    parser::Diagnostics diagnostics_;
    GlobalArguments globals_;
    std::map<std::size_t, StageState> stages_;
    std::map<std::string, NodeId> directories_;                                 // nodes of named contexts
    std::map<Digest, NodeId> images_;                                           // nodes of images, by manifest
    using ImageKey = std::tuple<NamedContext::Kind, std::string, std::string>;  // kind, place, platform
    std::map<ImageKey, std::shared_ptr<const ResolvedImage>> resolved_;
};

// A name of --build-context is compared as the user gave it, with or without ":latest".
std::optional<std::string> Planner::find_context(const std::string& name) const {
    if (name.empty() || name == "scratch" || name == "context") return std::nullopt;
    for (const std::string& spelling : {name, name + ":latest"})
        if (request_.contexts.contains(spelling)) return spelling;
    if (name.ends_with(":latest")) {
        std::string bare = name.substr(0, name.size() - 7);
        if (request_.contexts.contains(bare)) return bare;
    }
    return std::nullopt;
}

// The stage that a context stands for ("target:NAME"); null for any other name. Only what stands above can be meant, so
// that no stage ever waits for itself.
const Stage* Planner::stage_of_context(const std::string& name) const {
    const auto context = find_context(name);
    if (!context || request_.contexts.at(*context).kind != NamedContext::Kind::stage) return nullptr;
    const std::string& place = request_.contexts.at(*context).place;
    const Stage* stage = request_.buildfile.find_stage(place);
    if (!stage)
        throw Error(ErrorKind::not_found,
                    fmt::format("--build-context {}=target:{}: no such stage", printable(name), printable(place)));
    if (stage->index >= current_stage_)
        throw Error(ErrorKind::usage,
                    fmt::format("--build-context {0}=target:{1}: stage {1} does not stand above the stage that uses it",
                                printable(name), printable(place)));
    return stage;
}

NodeId Planner::context_tree(const std::string& name, const layerstore::Platform& platform) {
    const NamedContext& what = request_.contexts.at(name);
    if (is_nothing(what)) return add({FromScratch{}, {}, "FROM scratch"});
    if (auto image = image_of(what, platform)) return image_tree(std::move(image));
    auto [place, is_new] = directories_.try_emplace(name);
    if (is_new) place->second = add({ContextFiles{name, {}}, {}, name.empty() ? "context" : "context " + name});
    return place->second;
}

// Null for files; everything else is asked for once.
std::shared_ptr<const ResolvedImage> Planner::image_of(const NamedContext& what, const layerstore::Platform& platform) {
    if (what.kind == NamedContext::Kind::files) return nullptr;
    auto& image = resolved_[{what.kind, what.place, platform.text()}];
    if (!image)
        image = what.kind == NamedContext::Kind::layout ? request_.resolver.resolve_layout(what.place, platform)
                                                        : request_.resolver.resolve(what.place, platform);
    return image;
}

NodeId Planner::image_tree(std::shared_ptr<const ResolvedImage> image) {
    auto [place, is_new] = images_.try_emplace(image->image.descriptor.digest);
    if (is_new) {
        std::string label = fmt::format("FROM {}@{}", image->name, image->image.descriptor.digest.text());
        place->second = add({FromImage{std::move(image)}, {}, std::move(label)});
    }
    return place->second;
}

NodeId Planner::outside_tree(const std::string& name, const layerstore::Platform& platform) {
    if (name.empty()) return context_tree(name, platform);
    if (const Stage* stage = stage_of_context(name)) return planned(*stage).root;
    if (auto context = find_context(name)) return context_tree(*context, platform);
    return image_tree(image_of({NamedContext::Kind::image, name}, platform));
}

const StageState& Planner::planned(const Stage& stage) {
    if (auto known = stages_.find(stage.index); known != stages_.end()) return known->second;
    // What a stage needs stands before it, so planning in the order of the file never goes deep.
    std::set<std::size_t> needed{stage.index};
    for (auto next = needed.rbegin(); next != needed.rend(); ++next)
        needed_by(request_.buildfile.stages[*next], needed);
    for (std::size_t index : needed)
        if (!stages_.contains(index)) plan_stage(request_.buildfile.stages[index]);
    return stages_.at(stage.index);
}

void Planner::needed_by(const Stage& stage, std::set<std::size_t>& needed) {
    const parser::Buildfile& file = request_.buildfile;
    auto need = [&](const Stage* other) {
        if (other && !find_context(other->name().value_or(""))) needed.insert(other->index);
    };
    parser::Expansion base = parser::expand(stage.from().image, globals());
    if (base.ok()) need(file.find_base_stage(base.text, stage.index));
    for (const parser::Instruction& instruction : stage.instructions) {
        if (auto* copy = std::get_if<parser::Copy>(&instruction.body); copy && copy->from) {
            auto found = parser::resolve_copy_from(file, *copy->from, stage.index, copy->from_span);
            if (auto* other = std::get_if<const Stage*>(&found)) need(*other);
        } else if (auto* run = std::get_if<parser::Run>(&instruction.body)) {
            for (const parser::MountFlag& mount : run->mounts) {
                if (!mount.from) continue;
                auto found = parser::resolve_mount_from(file, *mount.from, stage.index, mount.from_span);
                if (auto* other = std::get_if<const Stage*>(&found)) need(*other);
            }
        }
    }
}

// What `read` refuses is said at the place of the text; false then.
bool Planner::is_good(parser::Span span, const std::function<void()>& read) {
    try {
        read();
        return true;
    } catch (const Error& error) {
        diagnostics_.error(span, error.message(), error.hint());
        return false;
    }
}

void Planner::begin_stage(const Stage& stage, StageState& state) {
    const parser::From& from = stage.from();
    std::string name = globals_.expand_from(from.image);
    state.config.platform = request_.platform;
    if (from.platform) {
        std::string platform = globals_.expand_from(*from.platform);
        if (platform.empty()) {
            diagnostics_.error(from.platform->span, "the platform is empty after expansion");
            return;
        }
        if (!is_good(from.platform->span, [&] { state.config.platform = layerstore::Platform::parse(platform); }))
            return;
    }
    if (name.empty()) {
        diagnostics_.error(from.image.span, "the name of the base is empty after expansion");
        return;
    }
    const Stage* named = stage_of_context(name);
    if (auto context = find_context(name); context && !named) {
        const NamedContext& what = request_.contexts.at(*context);
        if (is_nothing(what)) return begin_with_nothing(stage, state);
        auto image = image_of(what, state.config.platform);
        return image ? begin_with_image(stage, state, std::move(image)) : begin_with_directory(stage, state, *context);
    }
    if (const Stage* parent = named ? named : request_.buildfile.find_base_stage(name, stage.index)) {
        StageState inherited = planned(*parent);
        inherited.command_was_set = false;
        if (from.platform) inherited.config.platform = state.config.platform;
        state = std::move(inherited);
        return;
    }
    if (name == "scratch") return begin_with_nothing(stage, state);
    if (!is_good(from.image.span, [&] { layerstore::Reference::parse(name); })) return;
    begin_with_image(stage, state, image_of({NamedContext::Kind::image, name}, state.config.platform));
}

void Planner::begin_with_nothing(const Stage& stage, StageState& state) {
    state.root = add({FromScratch{}, {}, "FROM scratch", stage.display_name()});
    if (has_default_path(state.config.platform)) {
        state.environment.set("PATH", std::string(default_path));
        state.config.set_environment("PATH", default_path);
    }
    state.config.working_directory = "/";
    plan_.base_environments[stage.index] = state.environment;
}

void Planner::begin_with_directory(const Stage& stage, StageState& state, const std::string& context) {
    NodeId files = context_tree(context, state.config.platform);
    std::get<ContextFiles>(node(files).operation).wanted = {ImagePath()};
    TransferFiles all{.sources = {{0, "", "", "/", false}}, .into_directory = true};
    NodeId nothing = add({FromScratch{}, {}, "FROM scratch", stage.display_name()});
    state.root = add({EditFiles{std::move(all)}, {nothing, files}, "FROM " + context, stage.display_name()});
    node(state.root).written = "FROM " + stage.from().image.text;
    state.layers = {state.root};
}

void Planner::check_platform(const Stage& stage, const ResolvedImage& image, const layerstore::Platform& expected) {
    const layerstore::Platform found = image.image.config.platform.normalised();
    if (found.architecture.empty() || (found.os == expected.os && found.architecture == expected.architecture)) return;
    diagnostics_.add(parser::make_warning(
        "InvalidBaseImagePlatform", stage.from().image.span,
        fmt::format("Base image {} was pulled with platform \"{}\", expected \"{}\" for current build", image.name,
                    found.text(), expected.text())));
}

void Planner::begin_with_image(const Stage& stage, StageState& state, std::shared_ptr<const ResolvedImage> image) {
    layerstore::Platform platform = state.config.platform;
    check_platform(stage, *image, platform);
    state.config = image->image.config;
    if (state.config.platform.os != platform.os || state.config.platform.architecture != platform.architecture)
        state.config.platform = platform;
    if (!platform.os_version.empty()) state.config.platform.os_version = platform.os_version;
    state.config.created.clear();
    state.base_history = state.config.history.size();
    if (has_default_path(state.config.platform) && !state.config.find_environment("PATH"))
        state.config.set_environment("PATH", default_path);
    for (const std::string& variable : state.config.environment) {
        std::size_t equals = variable.find('=');
        state.environment.set(variable.substr(0, equals), variable.substr(equals + 1));
    }
    plan_.base_environments[stage.index] = state.environment;
    state.root = image_tree(std::move(image));
    PlanNode& base = node(state.root);
    if (base.stage.empty()) {
        base.stage = stage.display_name();
        base.span = stage.declaration.span;
        const std::string digest = std::get<FromImage>(base.operation).image->image.descriptor.digest.text();
        base.written = fmt::format("FROM {}@{}", stage.from().image.text, digest);
    } else if (base.span != stage.declaration.span) {
        base.others.push_back(stage.declaration.span);
    }
    state.layers = {state.root};
}

void Planner::run_triggers(const Stage& stage, StageState& state) {
    std::vector<std::string> triggers = std::move(state.config.on_build);
    state.config.on_build.clear();
    StagePlanner steps(*this, stage, state);
    for (const std::string& text : triggers) {
        parser::TriggerResult trigger = parser::parse_trigger(text, stage.declaration.span);
        diagnostics_.append(trigger.diagnostics);
        if (trigger.instruction) steps.plan(*trigger.instruction, true);
    }
}

void Planner::plan_stage(const Stage& stage) {
    StageState state;
    const std::size_t outer = std::exchange(current_stage_, stage.index);
    with_context(fmt::format("FROM in stage {}", stage.display_name()), [&] { begin_stage(stage, state); });
    NodeId first = plan_.nodes.size();
    run_triggers(stage, state);
    StagePlanner steps(*this, stage, state);
    for (const parser::Instruction& instruction : stage.instructions) steps.plan(instruction);
    number_steps(state, stage, first);
    current_stage_ = outer;
    stages_.emplace(stage.index, std::move(state));
}

// As BuildKit counts: the base, when it is an image, and each step behind it.
void Planner::number_steps(const StageState& state, const Stage& stage, NodeId first) {
    std::vector<NodeId> steps;
    for (NodeId id : state.layers) {
        const PlanNode& layer = node(id);
        // An image belongs to the first stage that names it.
        bool pulls = std::holds_alternative<FromImage>(layer.operation) && layer.stage == stage.display_name();
        if (id >= first || pulls) steps.push_back(id);
    }
    for (std::size_t i = 0; i < steps.size(); ++i) {
        node(steps[i]).number = i + 1;
        node(steps[i]).step_count = steps.size();
        node(steps[i]).platform = state.config.platform.normalised().text();
    }
}

// As an ARG of the stage says it, else one before the first FROM, else the command line.
std::string Planner::scan_variable(const std::string& name, const StageState& state) const {
    if (const auto value = state.environment.find(name)) return std::string(*value);
    if (const auto value = globals().find(name)) return std::string(*value);
    const auto given = request_.build_args.find(name);
    return given == request_.build_args.end() ? "" : given->second;
}

std::vector<ScanExtra> Planner::scan_extras(const Stage& target) {
    std::vector<ScanExtra> extras;
    bool with_context = false;
    for (const auto& [index, state] : stages_) {
        const Stage& stage = request_.buildfile.stages[index];
        const std::string name = stage.display_name();
        with_context = with_context || is_scan_of(scan_variable("BUILDKIT_SBOM_SCAN_CONTEXT", state), name);
        if (index != target.index && is_scan_of(scan_variable("BUILDKIT_SBOM_SCAN_STAGE", state), name))
            extras.push_back({name, state.root});
    }
    if (!with_context) return extras;
    extras.push_back({"context", outside_tree("", request_.platform)});
    if (auto* files = std::get_if<ContextFiles>(&node(extras.back().tree).operation)) files->wanted = {ImagePath()};
    return extras;
}

PlanResult Planner::run() {
    auto found = parser::find_target(request_.buildfile, request_.target);
    if (auto* wrong = std::get_if<parser::Diagnostic>(&found)) {
        diagnostics_.add(*wrong);
        return {std::nullopt, std::move(diagnostics_), {}, {}};
    }
    const Stage& target = *std::get<const Stage*>(found);
    globals_.set(target);
    if (diagnostics_.has_errors()) return {std::nullopt, std::move(diagnostics_), {}, {}};
    const StageState& state = planned(target);
    diagnostics_.sort_by_place();
    if (diagnostics_.has_errors()) return {std::nullopt, std::move(diagnostics_), {}, {}};
    PlannedImage image{request_.platform, state.root, state.layers, state.config, state.base_history, {}};
    if (!request_.scanner.empty()) image.scan = plan_scan(*this, request_.scanner, state.root, scan_extras(target));
    for (const auto& [name, value] : request_.labels) image.config.labels[name] = value;
    plan_.images.push_back(std::move(image));
    plan_.target_stage = target.display_name();
    plan_.arguments = globals_.used_with(stages_);
    return {std::move(plan_), std::move(diagnostics_), globals_.unused_build_args(stages_), globals_.default_epoch()};
}

}  // namespace

std::string_view name_of(const Operation& operation) noexcept {
    constexpr std::string_view names[] = {"FromScratch", "FromImage", "ContextFiles", "FetchUrl",
                                          "FetchGit",    "EditFiles", "RunCommand"};
    return names[operation.index()];
}

PlanResult make_plan(const PlanRequest& request) { return Planner(request).run(); }

}  // namespace imgbuild::builder
