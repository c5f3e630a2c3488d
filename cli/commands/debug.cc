// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "builder/solve/inspection.h"
#include "cli/builds/build_record.h"
#include "cli/builds/recorded_mounts.h"
#include "cli/commands/commands.h"
#include "cli/commands/image_tree.h"
#include "cli/commands/run_options.h"
#include "cli/commands/shell.h"
#include "cli/common/common_options.h"
#include "cli/common/environment.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {
namespace {

struct DebugOptions {
    CommonOptions common;
    std::optional<std::string> place, build, platform, user, directory, network;
    BuildFlags flags;                  ///< its secrets and agents
    std::vector<std::string> command;  ///< what stands behind "--"
};

// What stands behind "--" is the command's own, flags and all.
Arguments cut_command(Arguments arguments, std::vector<std::string>& command) {
    const auto dashes = std::ranges::find(arguments, std::string("--"));
    if (dashes == arguments.end()) return arguments;
    command.assign(dashes + 1, arguments.end());
    if (command.empty()) throw Error(ErrorKind::usage, "debug: a command is missing behind --");
    return arguments.first(static_cast<std::size_t>(dashes - arguments.begin()));
}

bool read_options(Arguments arguments, DebugOptions& debug) {
    OptionSet options(
        "debug [flags] IMAGE|STEP [-- COMMAND…]",
        "Opens a shell, or runs COMMAND, in an image or in what a step of a build came to; STEP is a line "
        "of the Buildfile, or words of the step, as in explain. Nothing that it changes is kept");
    options.positional("IMAGE|STEP", debug.place);
    options.value("--build", debug.build, "ID", "which build STEP belongs to (else the last)");
    options.value("-u,--user", debug.user, "USER", "instead of the image's or the step's");
    options.value("-w,--workdir", debug.directory, "DIR", "instead of the image's or the step's");
    options.value("--network", debug.network, "MODE", "default, none or host");
    options.list("--secret", debug.flags.secrets, "id=ID[,src=FILE][,env=NAME]", "for secrets of the step");
    options.list("--ssh", debug.flags.ssh, "ID[=SOCKET]", "an agent's socket for agents of the step");
    add_platform(options, debug.platform);
    add_common(options, debug.common, CommonScope::sandbox);
    return parse_or_help(options, cut_command(arguments, debug.command));
}

builder::InspectedState state_of_image(const std::shared_ptr<const builder::ResolvedImage>& image) {
    const layerstore::ImageConfig& config = image->image.config;
    return {.image = image,
            .layers = {},
            .environment = config.environment,
            .user = config.user,
            .working_directory = ImagePath::clean(config.working_directory)};
}

// The first of a step and those below it for which `get` has something.
template <class Get>
auto inherited(const BuildRecord& record, std::size_t index, Get get)
    -> std::remove_cvref_t<decltype(*get(record.steps[0]))> {
    for (std::optional<std::size_t> at = index; at && *at < record.steps.size();) {
        const RecordedStep& step = record.steps[*at];
        if (const auto& found = get(step)) return *found;
        if (step.below && *step.below >= *at) break;
        at = step.below;
    }
    return {};
}

builder::InspectedState state_of_step(const BuildRecord& record, std::size_t index) {
    builder::InspectedState state;
    std::vector<const RecordedStep*> chain;
    for (std::optional<std::size_t> at = index; at && *at < record.steps.size();) {
        chain.push_back(&record.steps[*at]);
        if (chain.back()->below && *chain.back()->below >= *at) break;  // damaged: a step lies on earlier ones
        at = chain.back()->below;
    }
    for (auto step = chain.rbegin(); step != chain.rend(); ++step)
        for (const std::string& hex : (*step)->deltas)
            state.layers.push_back(DeltaId{Digest::parse_or_throw("sha256:" + hex)});
    state.environment = inherited(
        record, index, [](const RecordedStep& step) -> const auto& { return step.environment; });
    state.user = inherited(
        record, index, [](const RecordedStep& step) -> const auto& { return step.user; });
    state.working_directory = ImagePath::clean(inherited(
        record, index, [](const RecordedStep& step) -> const auto& { return step.directory; }));
    return state;
}

// What can be given again: cache mounts and memory are there, a secret or an agent if it is given once more.
void add_mounts(builder::InspectedState& state, const RecordedStep& step, const builder::RunSettings& settings) {
    for (const Json& kept : step.mounts) {
        std::optional<builder::RunMount> mount = mount_from_json(kept);
        if (!mount) continue;
        const bool is_secret = mount->mount.type == parser::MountType::secret;
        const bool is_agent = mount->mount.type == parser::MountType::ssh;
        if (mount->input) {
            tell(fmt::format("{}: what the step mounts there from elsewhere is left out\n",
                             printable(mount->target.absolute())));
            continue;
        }
        if (is_secret && !settings.secrets.contains(mount->mount.id))
            tell(fmt::format("secret {0} of the step is not there: give it with --secret id={0},src=FILE\n",
                             printable(mount->mount.id)));
        if (is_agent && !settings.ssh_sockets.contains(mount->mount.id))
            tell(fmt::format("ssh agent {0} of the step is not there: give it with --ssh {0}\n",
                             printable(mount->mount.id)));
        mount->mount.required = false;
        state.mounts.push_back(std::move(*mount));
    }
}

[[noreturn]] void refuse_several(const std::string& word, const BuildRecord& record,
                                 const std::vector<std::size_t>& found) {
    std::string hint = "name more words of one:";
    for (const std::size_t index : found) hint += fmt::format("\n  {}", record.steps[index].name);
    throw Error(ErrorKind::usage,
                fmt::format("debug: {}: {} of build {} are called so", printable(word),
                            counted(found.size(), "step", "steps"), record.id),
                std::move(hint));
}

void tell_failed(const RecordedStep& step) {
    if (step.outcome != StepOutcome::failed && step.outcome != StepOutcome::stopped) return;
    tell(fmt::format("{} did not come to its end: this is the state before it\n", step.name));
}

std::optional<builder::InspectedState> find_step(const DebugOptions& debug, layerstore::Store& store,
                                                 const builder::RunSettings& settings) {
    const BuildRecord record = choose_record(store, debug.build, "debug");
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < record.steps.size(); ++i)
        if (record.steps[i].is_step && is_called(record.steps[i], *debug.place)) found.push_back(i);
    if (found.empty()) return std::nullopt;
    if (found.size() > 1) refuse_several(*debug.place, record, found);
    tell_failed(record.steps[found.front()]);
    builder::InspectedState state = state_of_step(record, found.front());
    add_mounts(state, record.steps[found.front()], settings);
    return state;
}

// A number is a line; else an image is meant where there is one.
builder::InspectedState find_state(const DebugOptions& debug, layerstore::Store& store, ImageSources& images,
                                   const builder::RunSettings& settings) {
    const std::string& place = *debug.place;
    const bool is_line = place.find_first_not_of("0123456789") == std::string::npos;
    std::optional<Error> no_image;
    if (!is_line && !debug.build) {
        try {
            return state_of_image(images.find(place));
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::usage &&
                error.kind() != ErrorKind::invalid_input)
                throw;
            no_image = error;
        }
    }
    try {
        if (auto step = find_step(debug, store, settings)) return std::move(*step);
    } catch (const Error& error) {
        if (!no_image || error.kind() != ErrorKind::not_found) throw;
        throw *no_image;  // there is no build whose step it could be
    }
    throw Error(ErrorKind::not_found,
                fmt::format("debug: {}: {}", printable(place),
                            is_line || debug.build ? "no such step" : "neither an image of the store nor a step"),
                "`imgbuild images` and `imgbuild explain` list them");
}

parser::RunNetwork network_of(const DebugOptions& debug) {
    if (!debug.network || *debug.network == "default") return parser::RunNetwork::inherit;
    if (*debug.network == "none") return parser::RunNetwork::none;
    if (*debug.network == "host") return parser::RunNetwork::host;
    throw Error(ErrorKind::usage, fmt::format("--network: {}: no such mode", printable(*debug.network)),
                "there are default, none and host");
}

}  // namespace

int run_debug(Arguments arguments) {
    DebugOptions debug;
    if (!read_options(arguments, debug)) return exit_status::ok;
    if (debug.command.empty()) require_terminal("debug", "give a command, as in: imgbuild debug IMAGE -- ls -l");
    builder::SolveOptions options;
    options.root_mode = wanted_root_mode(debug.common);
    options.offline = true;
    const parser::RunNetwork network = network_of(debug);
    options.run = read_run_settings(debug.flags, process_environment);
    const auto store = open_store(debug.common);
    const auto lease = store->lease();
    ImageSources images(*store, debug.platform);
    builder::InspectedState state = find_state(debug, *store, images, options.run);
    options.tools = shell_tools(*store);
    state.network = network;
    if (debug.user) state.user = *debug.user;
    if (debug.directory) state.working_directory = ImagePath::clean(*debug.directory);
    const auto warn = [](const std::string& text) { tell(fmt::format("warning: {}\n", printable(text))); };
    return talk_to(
        [&](const builder::OwnCommand& command, const builder::Attachment& attachment) {
            return builder::inspect(state, command, attachment, options, *store, *lease, warn);
        },
        std::move(debug.command));
}

}  // namespace imgbuild::cli
