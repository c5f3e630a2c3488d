// SPDX-License-Identifier: Apache-2.0
#include "builder/plan/scan_step.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "parser/instruction/values.h"

namespace imgbuild::builder {
namespace {

constexpr std::string_view scanned_root = "/run/src/core/sbom";
constexpr std::string_view extras_folder = "/run/src/extras";

void show(RunCommand& command, std::vector<NodeId>& inputs, const std::string& target, NodeId tree) {
    RunMount planned;
    planned.mount.target = target;
    planned.mount.read_only = true;
    planned.target = ImagePath::clean(target);
    inputs.push_back(tree);
    planned.input = inputs.size() - 1;
    command.mounts.push_back(std::move(planned));
}

// What the image runs, with nothing of the network: a report depends on the files alone.
RunCommand command_of(const layerstore::ImageConfig& config) {
    RunCommand command;
    command.arguments = config.entrypoint.value_or(std::vector<std::string>());
    if (config.command)
        command.arguments.insert(command.arguments.end(), config.command->begin(), config.command->end());
    command.environment = config.environment;
    if (!config.find_environment("PATH")) command.environment.push_back(fmt::format("PATH={}", default_path));
    command.environment.push_back(fmt::format("BUILDKIT_SCAN_DESTINATION={}", scan_destination));
    command.environment.push_back(fmt::format("BUILDKIT_SCAN_SOURCE={}", scanned_root));
    command.user = config.user;
    command.working_directory = ImagePath::clean(config.working_directory);
    command.network = parser::RunNetwork::none;
    command.platform = config.platform;
    return command;
}

}  // namespace

NodeId plan_scan(PlanSpace& space, const std::string& scanner, NodeId result, const std::vector<ScanExtra>& extras) {
    const PlanRequest& request = space.request();
    const NodeId image = with_context("--sbom", [&] { return space.outside_tree(scanner, request.build_platform); });
    const auto* from = std::get_if<FromImage>(&space.node(image).operation);
    if (!from) throw Error(ErrorKind::usage, fmt::format("--sbom: {}: no image", printable(scanner)));
    RunCommand command = command_of(from->image->image.config);
    if (command.arguments.empty())
        throw Error(ErrorKind::usage, fmt::format("--sbom: {}: the image has no command", printable(scanner)));
    const NodeId root =
        space.add({EditFiles{MakeWorkingDirectory{ImagePath::clean(scan_destination), command.user}}, {image}, "scan"});
    std::vector<NodeId> inputs{root};
    show(command, inputs, std::string(scanned_root), result);
    for (const ScanExtra& extra : extras)
        show(command, inputs, fmt::format("{}/sbom-{}", extras_folder, extra.name), extra.tree);
    if (!extras.empty()) command.environment.push_back(fmt::format("BUILDKIT_SCAN_SOURCE_EXTRAS={}", extras_folder));
    return space.add({.operation = std::move(command),
                      .inputs = std::move(inputs),
                      .label = fmt::format("scan with {}", scanner),
                      .stage = "sbom",
                      .span = {},
                      .number = 1,
                      .step_count = 1,
                      .platform = request.platform.text()});
}

bool is_scan_of(std::string_view value, const std::string& stage) {
    if (const auto is_wanted = parser::parse_bool(value)) return *is_wanted;
    return std::ranges::any_of(split(value, ','),
                               [&](std::string_view name) { return to_lower(trim(name)) == to_lower(stage); });
}

}  // namespace imgbuild::builder
