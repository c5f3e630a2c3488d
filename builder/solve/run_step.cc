// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/run_step.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/text.h"
#include "builder/sandbox/socket_relay.h"
#include "builder/scrub/scrub.h"
#include "builder/solve/base_image.h"
#include "builder/solve/failed_command.h"
#include "builder/solve/run_mounts.h"
#include "builder/solve/step_output.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

using layerstore::Tree;
using layerstore::TreeDelta;

NetworkMode network_mode(parser::RunNetwork network) {
    switch (network) {
        case parser::RunNetwork::inherit: return NetworkMode::standard;
        case parser::RunNetwork::none: return NetworkMode::none;
        case parser::RunNetwork::host: return NetworkMode::host;
    }
    return NetworkMode::standard;
}

CommandFailed failure_of(const RunSpec& spec, const RunEnd& end, StepOutput& output) {
    std::string hint = output.last_lines();
    if (!hint.empty()) hint = "the last lines of its output:\n" + hint;
    const std::string log = output.keep_log().value_or("");
    if (!log.empty()) hint += "the full log: " + log;
    return CommandFailed(
        fmt::format("the command \"{}\" failed: {}", printable(fmt::format("{}", fmt::join(spec.arguments, " "))),
                    describe_end(end, spec)),
        std::move(hint), end, log);
}

// The host's sockets stay as they are: the command gets ones that can belong to it.
std::vector<std::unique_ptr<SocketRelay>> relay_sockets(RunSpec& spec, const Directory& folder) {
    std::vector<std::unique_ptr<SocketRelay>> relays;
    for (SocketMount& socket : spec.sockets) {
        relays.push_back(std::make_unique<SocketRelay>(folder, socket.host_path));
        socket.host_path = relays.back()->path();
    }
    return relays;
}

/// What SOURCE_DATE_EPOCH tells a command whose stage does not declare it: the times that it sees anyway. Files that keep
/// theirs have no such time.
std::optional<layerstore::FileTime> time_for_commands(const Services& services) {
    switch (services.times.mode) {
        case Timestamps::fixed: return layerstore::default_file_time;
        case Timestamps::clamp: return services.times.latest;
        case Timestamps::preserve: return std::nullopt;
    }
    return std::nullopt;
}

std::vector<DeltaId> lay_down_tools(Services& services, LayerStack& layers) {
    return services.options.tools ? lay_down_image(services.options.tools, services, layers) : std::vector<DeltaId>();
}

}  // namespace

StepKey key_of_run(const RunCommand& command, const std::vector<const NodeResult*>& inputs, const Services& services) {
    const RunSettings& settings = services.options.run;
    const StepTimes& times = services.times;
    RunKeyInputs key{.root = times.identity(inputs.front()->tree),
                     .mounts = {},
                     .hostname = settings.hostname,
                     .added_hosts = settings.added_hosts,
                     .shm_size = settings.shm_size,
                     .limits = {},
                     .times = times.text(),
                     .scrub = services.options.scrub ? std::string(scrub_version) : ""};
    for (const RunMount& mount : command.mounts)
        if (mount.input) key.mounts.push_back(content_of_mount(mount, *inputs.at(*mount.input), times));
    for (const ResourceLimit& limit : settings.limits)
        key.limits.push_back(fmt::format("{}={}:{}", limit.name, limit.soft, limit.hard));
    return run_key(command, key);
}

RunSpec run_spec(const RunCommand& command, const std::vector<const NodeResult*>& inputs, Services& services,
                 FileContents& contents, LayerStack& layers) {
    const NodeResult& root = *inputs.front();
    const RunSettings& settings = services.options.run;
    RunSpec spec;
    spec.arguments = command.arguments;
    spec.environment = command.environment;
    spec.environment.insert(spec.environment.end(), command.unkeyed.begin(), command.unkeyed.end());
    spec.working_directory = command.working_directory;
    const Account account = find_account(command.user, contents.account_files(root));
    spec.credentials = {account.owner.uid, account.owner.gid, {account.owner.gid}};
    // As container engines do it: without the primary group among them, a set-gid program could shed it.
    for (std::uint32_t group : account.groups)
        if (group != account.owner.gid) spec.credentials.groups.push_back(group);
    if (!has_variable(spec, "HOME")) spec.environment.push_back("HOME=" + account.home);
    if (const auto time = time_for_commands(services); time && !has_variable(spec, "SOURCE_DATE_EPOCH"))
        spec.environment.push_back(fmt::format("SOURCE_DATE_EPOCH={}", time->seconds));
    // Bytecode that Python writes by the way holds the time of a source that the same command wrote. What is compiled
    // explicitly, by packages, goes by SOURCE_DATE_EPOCH.
    if (services.options.scrub && !has_variable(spec, "PYTHONDONTWRITEBYTECODE"))
        spec.environment.push_back("PYTHONDONTWRITEBYTECODE=1");
    spec.network = network_mode(command.network);
    spec.security = command.security == parser::RunSecurity::insecure ? SecurityMode::insecure : SecurityMode::sandbox;
    if (!settings.hostname.empty()) spec.hostname = settings.hostname;
    spec.added_hosts = settings.added_hosts;
    spec.shm_size = settings.shm_size;
    spec.limits = settings.limits;
    spec.budget = settings.budget;
    spec.timeout_milliseconds = settings.timeout_milliseconds;
    if (command.script) spec.scripts.emplace_back(ImagePath::clean(command.script->path), command.script->content);
    spec.layers = layers.lay_down(root.stack, has_cache_mounts(command));
    add_mounts(spec, command, inputs, services, contents, layers);
    return spec;
}

RunDeltaRules delta_rules(const RunCommand& command, const Services& services) {
    return {
        .times = services.times, .saw_first_seen_times = has_cache_mounts(command), .scrub = services.options.scrub};
}

RunDelta run_command(RunSpec spec, const Tree& root, const RunDeltaRules& rules, Services& services, LayerStack& layers,
                     const std::function<void(std::string_view)>& output) {
    const Directory logs = services.store.subdirectory("logs");
    StepOutput step_output(logs, output);
    auto relays = relay_sockets(spec, services.store.pending());
    std::unique_ptr<RunResult> result = services.sandbox.get().run(spec, step_output.end());
    step_output.finish();
    for (const std::string& limit : result->end().not_enforced) services.notices.tell_once(limit);
    if (!result->end().ok()) {
        CommandFailed failure = failure_of(spec, result->end(), step_output);
        if (services.options.when_command_failed)
            failure.keep(std::make_shared<FailedState>(std::move(spec), std::move(relays), std::move(result),
                                                       [&] { return lay_down_tools(services, layers); }));
        throw failure;
    }
    RunDelta left = run_delta(result->changes(), root, rules);
    const DeltaId id = left.delta.id();
    services.lease.add(id);
    result->keep(left.delta, id);
    return left;
}

}  // namespace imgbuild::builder
