// SPDX-License-Identifier: Apache-2.0
// The instructions that change files, and what all instructions share.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "builder/plan/stage_planner.h"
#include "parser/buildfile/buildfile.h"
#include "parser/ignore/path_pattern.h"
#include "parser/instruction/values.h"
#include "parser/source/path_text.h"

namespace imgbuild::builder {
namespace {

constexpr std::array<std::string_view, 5> proxy_names{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY",
                                                      "ALL_PROXY"};

bool ends_as_directory(std::string_view path) {
    return path.empty() || path == "." || path.ends_with('/') || path.ends_with("/.");
}

std::string file_name_of_url(std::string_view url) {
    std::string_view path = url.substr(url.find("://") + 3);
    path = path.substr(0, path.find_first_of("?#"));
    return file_name_of_url_path(path.substr(std::min(path.find('/'), path.size())));
}

}  // namespace

StagePlanner::StagePlanner(PlanSpace& space, const parser::Stage& stage, StageState& state)
    : space_(space), stage_(stage), state_(state) {}

void StagePlanner::plan(const parser::Instruction& instruction, bool is_trigger) {
    instruction_ = &instruction;
    const std::string_view prefix = is_trigger ? "ONBUILD " : "";
    step_label_ = fmt::format("{}{}", prefix, label_of(instruction));
    step_text_ = fmt::format("{}{}", prefix, instruction.text);
    std::visit(*this, instruction.body);
}

std::string StagePlanner::expand(const parser::Word& word) {
    parser::Expansion expansion = parser::expand(word, state_.environment);
    if (expansion.error) space_.diagnostics().add(*expansion.error);
    return std::move(expansion.text);
}

std::vector<std::pair<std::string, std::string>> StagePlanner::expand_pairs(
    const std::vector<parser::KeyValue>& pairs) {
    std::vector<std::pair<std::string, std::string>> expanded;
    for (const parser::KeyValue& pair : pairs) expanded.emplace_back(expand(pair.key), expand(pair.value));
    return expanded;
}

std::string StagePlanner::label_of(const parser::Instruction& instruction) const {
    if (std::holds_alternative<parser::Run>(instruction.body)) return instruction.text;
    parser::Word word{instruction.text, instruction.span, parser::WordStyle::heredoc, '\\'};
    parser::Expansion expansion = parser::expand(word, state_.environment, {.keep_unset = true});
    return expansion.ok() ? std::move(expansion.text) : instruction.text;
}

std::vector<std::string> StagePlanner::shell_words() const {
    if (!state_.config.shell.empty()) return state_.config.shell;
    if (state_.config.platform.os == "windows") return {"cmd", "/S", "/C"};
    return {"/bin/sh", "-c"};
}

std::vector<std::string> StagePlanner::arguments_of(const parser::Command& command) const {
    if (command.exec) return command.arguments;
    std::vector<std::string> words = shell_words();
    words.push_back(command.text);
    return words;
}

void StagePlanner::history(std::string created_by, bool empty_layer) {
    layerstore::HistoryEntry& entry = state_.config.history.emplace_back();
    entry.created_by = std::move(created_by);
    entry.comment = "buildkit.dockerfile.v0";
    entry.empty_layer = empty_layer;
}

ImagePath StagePlanner::working_directory() const { return ImagePath::clean(state_.config.working_directory); }

NodeId StagePlanner::add_step(Operation operation, std::vector<NodeId> inputs) {
    state_.root = space_.add({.operation = std::move(operation),
                              .inputs = std::move(inputs),
                              .label = step_label_,
                              .stage = stage_.display_name(),
                              .span = instruction_->span,
                              .written = step_text_});
    state_.layers.push_back(state_.root);
    return state_.root;
}

void StagePlanner::operator()(const parser::Workdir& workdir) {
    std::string text = expand(workdir.path);
    ImagePath path =
        text.starts_with('/') ? ImagePath::clean(text) : ImagePath::clean(state_.config.working_directory + "/" + text);
    state_.config.working_directory = path.absolute();
    bool makes_layer = !path.is_root();
    if (makes_layer) add_step(EditFiles{MakeWorkingDirectory{path, state_.config.user}}, {state_.root});
    history("WORKDIR " + path.absolute(), !makes_layer);
}

void StagePlanner::operator()(const parser::Copy& copy) {
    TransferFiles files;
    files.parents = copy.parents;
    std::vector<NodeId> inputs{state_.root};
    if (copy.from) {
        auto found = parser::resolve_copy_from(space_.request().buildfile, *copy.from, stage_.index, copy.from_span);
        if (auto* wrong = std::get_if<parser::Diagnostic>(&found)) {
            space_.diagnostics().add(*wrong);
            return;
        }
        if (auto* stage = std::get_if<const parser::Stage*>(&found))
            inputs.push_back(space_.stage_tree(**stage));
        else
            inputs.push_back(
                space_.outside_tree(std::get<parser::OutsideReference>(found).name, state_.config.platform));
    } else if (!copy.sources.empty()) {
        inputs.push_back(space_.outside_tree("", state_.config.platform));
    }
    for (const parser::Word& word : copy.sources) {
        std::string text = expand(word);
        if (auto wrong = parser::check_copy_source(text))
            space_.diagnostics().error(word.span, "COPY: " + wrong->message, wrong->hint);
        else
            files.sources.push_back(source_of(text, 0, copy.parents, inputs.back()));
    }
    transfer(copy, std::move(files), std::move(inputs), "COPY");
}

void StagePlanner::operator()(const parser::Add& add) {
    TransferFiles files;
    std::string checksum = add.checksum ? expand(*add.checksum) : "";
    std::vector<NodeId> inputs{state_.root};
    std::optional<std::size_t> context;
    for (const parser::Word& word : add.sources) {
        std::string text = expand(word);
        if (parser::is_git_url(text)) {
            add_git(add, word, text, checksum, files, inputs);
        } else if (parser::is_http_url(text)) {
            FetchUrl fetch{text, checksum, file_name_of_url(text)};
            std::string pattern = fetch.file_name;
            std::size_t input = fetch_input(std::move(fetch), text, word, inputs);
            files.sources.push_back({input, std::move(pattern), "", text, add.unpack.value_or(false)});
        } else {
            if (!context) {
                inputs.push_back(space_.outside_tree("", state_.config.platform));
                context = inputs.size() - 2;
            }
            files.sources.push_back(source_of(text, *context, false, inputs[*context + 1]));
            files.sources.back().unpack = add.unpack.value_or(true);
        }
    }
    transfer(add, std::move(files), std::move(inputs), "ADD");
}

// What the address and the flags say of one thing must agree.
void StagePlanner::add_git(const parser::Add& add, const parser::Word& word, const std::string& text,
                           const std::string& checksum, TransferFiles& files, std::vector<NodeId>& inputs) {
    auto parsed = parser::parse_git_url(text);
    if (const auto* wrong = std::get_if<parser::ValueError>(&parsed)) {
        space_.diagnostics().error(word.span, "ADD: " + wrong->message, wrong->hint);
        return;
    }
    FetchGit fetch{std::get<parser::GitSource>(std::move(parsed))};
    const std::optional<bool> in_address = fetch.source.keep_git_dir;
    if (in_address && add.keep_git_dir && *in_address != *add.keep_git_dir)
        space_.diagnostics().error(word.span, "inconsistent keep-git-dir configuration",
                                   "say it once, as a flag or in the address");
    fetch.keep_git_dir = in_address.value_or(add.keep_git_dir.value_or(false));
    if (!checksum.empty()) {
        const std::string digits = to_lower(checksum.substr(checksum.find(':') + 1));
        if (checksum.find(':') != std::string::npos && !checksum.starts_with("sha256:"))
            space_.diagnostics().error(add.checksum->span, "invalid checksum: " + checksum,
                                       "write digits of the commit's hash");
        else if (!fetch.source.checksum.empty() && fetch.source.checksum != digits)
            space_.diagnostics().error(add.checksum->span, "checksum mismatch: the flag and the address differ",
                                       "say it once, as a flag or in the address");
        else
            fetch.source.checksum = digits;
    }
    const std::string what = parser::text_of(fetch.source);
    const std::size_t input = fetch_input(std::move(fetch), what, word, inputs);
    files.sources.push_back({input, "", "", text, false});
}

std::size_t StagePlanner::fetch_input(Operation fetch, const std::string& what, const parser::Word& word,
                                      std::vector<NodeId>& inputs) {
    PlanNode node{.operation = std::move(fetch),
                  .inputs = {},
                  .label = "fetch " + what,
                  .stage = stage_.display_name(),
                  .span = instruction_->span,
                  .written = "fetch " + word.text};
    inputs.push_back(space_.add(std::move(node)));
    return inputs.size() - 2;
}

TransferSource StagePlanner::source_of(const std::string& text, std::size_t input, bool parents, NodeId tree) {
    TransferSource source{input, "", "", text, false};
    std::string path = text;
    if (std::size_t pivot = parents ? path.find("/./", 1) : std::string::npos; pivot != std::string::npos) {
        source.pivot = parser::clean_path("/" + path.substr(0, pivot)).substr(1);
        path = path.substr(pivot + 3);
    }
    source.pattern = parser::clean_path("/" + path).substr(1);
    want(tree, source.pivot.empty() ? source.pattern : source.pivot + "/" + source.pattern);
    return source;
}

// What a context must be looked through for: the part of the pattern before its first wildcard.
void StagePlanner::want(NodeId tree, const std::string& pattern) {
    auto* context = std::get_if<ContextFiles>(&space_.node(tree).operation);
    if (!context) return;
    std::string literal = pattern;
    if (parser::has_wildcard(pattern)) {
        literal = pattern.substr(0, pattern.find_first_of("*?[\\"));
        literal = literal.substr(0, literal.rfind('/') == std::string::npos ? 0 : literal.rfind('/'));
    }
    ImagePath path = ImagePath::clean(literal);
    if (std::ranges::find(context->wanted, path) == context->wanted.end()) context->wanted.push_back(path);
}

void StagePlanner::set_destination(TransferFiles& files, const std::string& destination) const {
    files.into_directory = ends_as_directory(destination);
    files.destination = destination.starts_with('/')
                            ? ImagePath::clean(destination)
                            : ImagePath::clean(working_directory().bytes() + "/" + destination);
}

void StagePlanner::add_inline_files(const parser::Transfer& transfer, TransferFiles& files) {
    for (const parser::Heredoc& heredoc : transfer.heredocs)
        files.inline_files.push_back({heredoc.name, expand(heredoc.content())});
}

void StagePlanner::transfer(const parser::Transfer& transfer, TransferFiles files, std::vector<NodeId> inputs,
                            std::string_view keyword) {
    add_inline_files(transfer, files);
    std::string destination = expand(transfer.destination);
    set_destination(files, destination);
    files.chown = transfer.chown ? expand(*transfer.chown) : "";
    files.chmod = transfer.chmod ? expand(*transfer.chmod) : "";
    if (!files.chown.empty())
        if (auto wrong = parser::check_chown(files.chown))
            space_.diagnostics().error(transfer.chown->span, "--chown: " + wrong->message, wrong->hint);
    if (!files.chmod.empty())
        if (auto wrong = parser::check_chmod(files.chmod))
            space_.diagnostics().error(transfer.chmod->span, "--chmod: " + wrong->message, wrong->hint);
    files.link = transfer.link && files.chmod.empty();
    files.excludes = transfer.excludes;

    std::string text(keyword);
    if (files.parents) text += " --parents";
    if (!files.chown.empty()) text += " --chown=" + files.chown;
    if (!files.chmod.empty()) text += " --chmod=" + files.chmod;
    for (const TransferSource& source : files.sources) text += " " + source.written;
    for (const InlineFile& file : files.inline_files) text += " <<" + file.name;
    text += " " + destination + " # buildkit";
    add_step(EditFiles{std::move(files)}, std::move(inputs));
    history(std::move(text), false);
}

void StagePlanner::operator()(const parser::Run& run) {
    RunCommand command;
    command.arguments = arguments_of(run.command);
    command.user = state_.config.user;
    command.working_directory = working_directory();
    command.network = run.network == parser::RunNetwork::inherit ? space_.request().network : run.network;
    command.security = run.security;
    command.script = run.script;
    command.platform = state_.config.platform;
    if (run.network == parser::RunNetwork::host && !space_.request().allow_host_network)
        space_.diagnostics().error(run.network_span, "entitlement network.host is not allowed",
                                   "start the build with --allow network.host");
    if (run.security == parser::RunSecurity::insecure && !space_.request().allow_insecure)
        space_.diagnostics().error(run.security_span, "entitlement security.insecure is not allowed",
                                   "start the build with --allow security.insecure");
    std::vector<NodeId> inputs{state_.root};
    for (const parser::MountFlag& flag : run.mounts) command.mounts.push_back(plan_mount(flag, inputs));
    set_environment(command);

    std::string arguments;
    std::size_t count = 0;
    for (const PlannedArgument& argument : state_.arguments) {
        auto value = state_.environment.find(argument.name);
        if (!value) continue;
        arguments += fmt::format("{}={} ", argument.name, *value);
        ++count;
    }
    std::string prefix = count == 0 ? "" : fmt::format("|{} {}", count, arguments);
    std::string text = fmt::format("RUN {}{} # buildkit", prefix, fmt::join(command.arguments, " "));
    add_step(std::move(command), std::move(inputs));
    history(std::move(text), false);
}

RunMount StagePlanner::plan_mount(const parser::MountFlag& flag, std::vector<NodeId>& inputs) {
    RunMount planned;
    parser::MountResult result = parser::resolve_mount(flag, state_.environment);
    if (result.error) {
        space_.diagnostics().add(*result.error);
        return planned;
    }
    planned.mount = std::move(result.mount);
    const std::string& target = planned.mount.target;
    planned.target = target.starts_with('/') ? ImagePath::clean(target)
                                             : ImagePath::clean(working_directory().bytes() + "/" + target);
    bool shows_tree = planned.mount.type == parser::MountType::bind ||
                      (planned.mount.type == parser::MountType::cache && planned.mount.from);
    if (!shows_tree) return planned;
    NodeId tree = 0;
    if (planned.mount.from) {
        auto found =
            parser::resolve_mount_from(space_.request().buildfile, *planned.mount.from, stage_.index, flag.from_span);
        if (auto* wrong = std::get_if<parser::Diagnostic>(&found)) {
            space_.diagnostics().add(*wrong);
            return planned;
        }
        auto* stage = std::get_if<const parser::Stage*>(&found);
        tree = stage ? space_.stage_tree(**stage)
                     : space_.outside_tree(std::get<parser::OutsideReference>(found).name, state_.config.platform);
    } else {
        tree = space_.outside_tree("", state_.config.platform);
    }
    want(tree, ImagePath::clean(planned.mount.source).bytes());
    inputs.push_back(tree);
    planned.input = inputs.size() - 1;
    return planned;
}

void StagePlanner::set_environment(RunCommand& command) const {
    const auto is_argument = [&](const std::string& name) {
        return std::ranges::find(state_.arguments, name, &PlannedArgument::name) != state_.arguments.end() &&
               !state_.config.find_environment(name);
    };
    for (const parser::Variable& variable : state_.environment.variables()) {
        if (!variable.value) continue;
        command.environment.push_back(variable.name + "=" + *variable.value);
        if (is_argument(variable.name)) command.build_arguments.push_back(variable.name);
    }
    if (has_default_path(state_.config.platform) && !state_.environment.find("PATH"))
        command.environment.push_back(fmt::format("PATH={}", default_path));
    // Programs ask for either spelling, so a command gets both, whichever was given.
    const auto& given = space_.request().build_args;
    for (std::string_view upper : proxy_names) {
        const std::string lower = to_lower(upper);
        for (const auto& [name, other] : {std::pair(std::string(upper), lower), std::pair(lower, std::string(upper))}) {
            const auto own = given.find(name);
            const auto found = own != given.end() ? own : given.find(other);
            if (found != given.end() && !found->second.empty() && !state_.environment.find(name))
                command.unkeyed.push_back(name + "=" + found->second);
        }
    }
}

}  // namespace imgbuild::builder
