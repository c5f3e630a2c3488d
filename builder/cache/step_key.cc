// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/step_key.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "layerstore/tree/algebra.h"
#include "parser/ignore/path_pattern.h"

namespace imgbuild::builder {
namespace {

// Goes up whenever the same parts come to mean another result.
constexpr std::uint64_t key_version = 1;

std::string number_or_nothing(const std::optional<std::uint32_t>& value) {
    return value ? std::to_string(*value) : std::string();
}

std::string_view name_of_network(parser::RunNetwork network) {
    switch (network) {
        case parser::RunNetwork::inherit: return "default";
        case parser::RunNetwork::none: return "none";
        case parser::RunNetwork::host: return "host";
    }
    return "";
}

// What a bind mount shows is known by its content, wherever it lies; where a secret or an agent goes that says no place
// depends on its id.
void add_mount(StepKey& key, const RunMount& run_mount) {
    const parser::Mount& mount = run_mount.mount;
    const bool has_usual_target = mount.type == parser::MountType::secret || mount.type == parser::MountType::ssh;
    key.add("mount", parser::name_of(mount.type));
    key.add("mount target", has_usual_target && mount.target.empty() ? "" : run_mount.target.absolute());
    key.add("mount source", run_mount.input ? "" : mount.source);
    key.add("mount id", mount.id);
    key.add("mount variable", mount.environment.value_or(""));
    key.add("mount read-only", std::uint64_t{mount.read_only});
    key.add("mount required", std::uint64_t{mount.required});
    key.add("mount sharing", parser::name_of(mount.sharing));
    key.add("mount mode", number_or_nothing(mount.mode));
    key.add("mount uid", number_or_nothing(mount.uid));
    key.add("mount gid", number_or_nothing(mount.gid));
    key.add("mount size", mount.size.value_or(0));
}

// Values of build arguments are hashed: keys are kept beside memos and travel with them.
void add_environment(StepKey& key, const RunCommand& command) {
    for (const std::string& variable : command.environment) {
        const std::size_t equals = variable.find('=');
        const std::string name = variable.substr(0, equals);
        if (std::ranges::find(command.build_arguments, name) == command.build_arguments.end())
            key.add("environment", variable);
        else
            key.add("build argument", fmt::format("{}={}", name, Sha256::of(variable.substr(equals + 1)).text()));
    }
}

void add_transfer(StepKey& key, const TransferFiles& transfer, const std::vector<Digest>& sources) {
    auto content = sources.begin();
    for (const TransferSource& source : transfer.sources) {
        key.add("source", source.pattern);
        key.add("source pivot", source.pivot);
        key.add("source files", *content++);
        key.add("unpack", std::uint64_t{source.unpack});
    }
    for (const InlineFile& file : transfer.inline_files) {
        key.add("inline file", file.name);
        key.add("inline content", Sha256::of(file.content));
    }
    key.add("destination", transfer.destination.absolute());
    key.add("into directory", std::uint64_t{transfer.into_directory});
    key.add("chown", transfer.chown);
    key.add("chmod", transfer.chmod);
    key.add("link", std::uint64_t{transfer.link});
    key.add("parents", std::uint64_t{transfer.parents});
    for (const std::string& exclude : transfer.excludes) key.add("exclude", exclude);
}

void add_times(StepKey& key, const std::string& times) {
    if (!times.empty()) key.add("times", times);
}

}  // namespace

StepKey::StepKey(std::string_view operation) {
    add("operation", operation);
    add("key version", key_version);
}

StepKey& StepKey::add(std::string_view label, std::string_view value) {
    parts_.text(label).text(value);
    return *this;
}

StepKey& StepKey::add(std::string_view label, const Digest& value) { return add(label, value.text()); }

StepKey& StepKey::add(std::string_view label, std::uint64_t value) { return add(label, std::to_string(value)); }

Digest StepKey::digest() const { return Sha256::of(parts_.bytes()); }

std::vector<std::pair<std::string, std::string>> StepKey::read_preimage(std::string_view preimage) {
    std::vector<std::pair<std::string, std::string>> parts;
    WireReader reader(preimage, "preimage of a key");
    while (!reader.at_end()) {
        std::string label(reader.text());
        parts.emplace_back(std::move(label), reader.text());
    }
    return parts;
}

StepKey run_key(const RunCommand& command, const RunKeyInputs& inputs) {
    StepKey key("RUN");
    for (const std::string& argument : command.arguments) key.add("argument", argument);
    if (command.script) {
        key.add("script", command.script->path);
        key.add("script content", command.script->content);
    }
    key.add("root", inputs.root);
    add_environment(key, command);
    key.add("user", command.user);
    key.add("working directory", command.working_directory.absolute());
    key.add("network", name_of_network(command.network));
    key.add("security", command.security == parser::RunSecurity::insecure ? "insecure" : "sandbox");
    auto content = inputs.mounts.begin();
    for (const RunMount& mount : command.mounts) {
        add_mount(key, mount);
        if (mount.input) key.add("mount files", *content++);
    }
    if (!inputs.hostname.empty()) key.add("hostname", inputs.hostname);
    for (const auto& [name, address] : inputs.added_hosts) key.add("added host", name).add("added address", address);
    key.add("shm size", inputs.shm_size);
    for (const std::string& limit : inputs.limits) key.add("limit", limit);
    key.add("platform", command.platform.text());
    add_times(key, inputs.times);
    if (!inputs.scrub.empty()) key.add("scrub", inputs.scrub);
    return key;
}

Digest content_at(const layerstore::Tree& tree, const ImagePath& path, const StepTimes& times) {
    if (tree.directory(path)) return times.identity(layerstore::select(tree, path));
    return times.identity(tree.find(path).value());
}

Digest content_of_source(const TransferSource& source, const TransferFiles& transfer, const layerstore::Tree& tree,
                         const StepTimes& times) {
    if (transfer.parents || parser::has_wildcard(source.pattern)) return times.identity(tree);
    const ImagePath path = tree.resolve(ImagePath::clean(source.pattern));
    if (!path.is_root() && !tree.find(path)) return times.identity(tree);
    return content_at(tree, path, times);
}

StepKey edit_key(const EditFiles& edit, const EditKeyInputs& inputs) {
    const auto* directory = std::get_if<MakeWorkingDirectory>(&edit.edit);
    StepKey key(directory ? "WORKDIR" : "COPY");
    if (directory) {
        key.add("path", directory->path.absolute());
        key.add("owner", directory->owner);
    } else {
        add_transfer(key, std::get<TransferFiles>(edit.edit), inputs.sources);
    }
    key.add("root", inputs.root);
    add_times(key, inputs.times);
    return key;
}

StepKey fetch_key(const FetchUrl& fetch) {
    StepKey key("ADD");
    key.add("url", fetch.url);
    key.add("checksum", fetch.checksum);
    return key;
}

}  // namespace imgbuild::builder
