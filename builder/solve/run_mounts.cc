// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/run_mounts.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "builder/cache/step_key.h"
#include "builder/solve/secrets.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

using layerstore::Tree;
using layerstore::TreeDelta;

/// A directory or a file of a tree, as a mount shows it.
struct MountSource {
    ImagePath path;  ///< its links followed
    bool is_directory = false;
};

MountSource find_source(const RunMount& mount, const NodeResult& input) {
    const ImagePath path = input.tree.resolve(ImagePath::clean(mount.mount.source));
    std::optional<layerstore::Entry> entry = path.is_root() ? input.tree.root_entry() : input.tree.find(path);
    if (!entry)
        throw Error(ErrorKind::not_found,
                    fmt::format("mount {}: no such file or directory", printable("/" + mount.mount.source)),
                    "the path is looked for in what from= names, else in the context");
    return {path, entry->is_directory()};
}

CacheSharing cache_sharing(parser::CacheSharing sharing) {
    switch (sharing) {
        case parser::CacheSharing::shared: return CacheSharing::shared;
        case parser::CacheSharing::exclusive: return CacheSharing::exclusive;
        case parser::CacheSharing::locked: return CacheSharing::locked;
    }
    return CacheSharing::shared;
}

std::string id_of_cache(const RunMount& mount) {
    return mount.mount.id.empty() ? mount.target.absolute() : mount.mount.id;
}

std::uint16_t mode_or(const std::optional<std::uint32_t>& mode, std::uint16_t otherwise) {
    return static_cast<std::uint16_t>(mode.value_or(otherwise) & 07777U);
}

/// Turns the mounts of a RunCommand into those of a RunSpec.
class MountPlanner {
  public:
    MountPlanner(const RunCommand& command, const std::vector<const NodeResult*>& inputs, Services& services,
                 FileContents& contents, LayerStack& layers, RunSpec& spec)
        : command_(command), inputs_(inputs), services_(services), contents_(contents), layers_(layers), spec_(spec) {}

    void plan() {
        for (const RunMount& mount : command_.mounts) {
            switch (mount.mount.type) {
                case parser::MountType::bind: add_bind(mount); break;
                case parser::MountType::cache: add_cache(mount); break;
                case parser::MountType::tmpfs:
                    spec_.tmpfs.push_back({mount.target, mount.mount.size.value_or(0)});
                    break;
                case parser::MountType::secret: add_secret(mount); break;
                case parser::MountType::ssh: add_socket(mount); break;
            }
        }
    }

  private:
    /// The layers that show an input, and where in them its path lies.
    std::vector<DeltaId> lay_down(const NodeResult& input, const MountSource& source) {
        if (!input.stack.empty()) return layers_.lay_down(input.stack, has_cache_mounts(command_));
        const bool first_seen = has_cache_mounts(command_);
        TreeDelta delta =
            layerstore::as_delta(only(first_seen && input.first_seen ? *input.first_seen : input.tree, source));
        if (!first_seen) delta = services_.times.seal(delta);
        return {layers_.lay_down(delta, *contents_.of_tree(input))};
    }

    // What a mount does not show is not laid down: a context may be large.
    static Tree only(const Tree& tree, const MountSource& source) {
        if (source.path.is_root()) return tree;
        if (source.is_directory) return layerstore::graft(Tree(), source.path, layerstore::select(tree, source.path));
        TreeDelta delta = TreeDelta::build({{source.path, layerstore::ChangeKind::put, *tree.find(source.path)}});
        return layerstore::apply(Tree(), delta);
    }

    void add_bind(const RunMount& mount) {
        const NodeResult& input = *inputs_.at(*mount.input);
        const MountSource source = find_source(mount, input);
        spec_.binds.push_back({mount.target, lay_down(input, source), source.path, !mount.mount.read_only});
    }

    void add_cache(const RunMount& mount) {
        CacheMount cache;
        cache.target = mount.target;
        cache.id = id_of_cache(mount);
        cache.sharing = cache_sharing(mount.mount.sharing);
        cache.mode = mode_or(mount.mount.mode, 0755);
        cache.uid = mount.mount.uid.value_or(0);
        cache.gid = mount.mount.gid.value_or(0);
        cache.read_only = mount.mount.read_only;
        if (mount.input) {
            const NodeResult& input = *inputs_.at(*mount.input);
            const MountSource source = find_source(mount, input);
            cache.from = lay_down(input, source);
            cache.from_source = source.path;
        } else {
            cache.source = ImagePath::clean(mount.mount.source);
        }
        spec_.caches.push_back(std::move(cache));
    }

    void add_secret(const RunMount& mount) {
        auto source = services_.options.run.secrets.find(mount.mount.id);
        if (source == services_.options.run.secrets.end()) {
            if (mount.mount.required)
                throw Error(ErrorKind::not_found, fmt::format("secret {}: not found", printable(mount.mount.id)),
                            fmt::format("give it with --secret id={},src=FILE", printable(mount.mount.id)));
            if (mount.mount.environment) spec_.environment.push_back(*mount.mount.environment + "=");
            return;
        }
        std::string content = read_secret(mount.mount.id, source->second);
        if (mount.mount.environment) spec_.environment.push_back(*mount.mount.environment + "=" + content);
        if (mount.mount.environment && mount.mount.target.empty()) return;
        SecretMount secret{mount.target, std::move(content), mode_or(mount.mount.mode, 0400),
                           mount.mount.uid.value_or(0), mount.mount.gid.value_or(0)};
        if (mount.mount.target.empty()) {
            const std::string& id = mount.mount.id;
            secret.target = ImagePath::clean("/run/secrets/" + id.substr(id.rfind('/') + 1));
        }
        spec_.secrets.push_back(std::move(secret));
    }

    void add_socket(const RunMount& mount) {
        auto socket = services_.options.run.ssh_sockets.find(mount.mount.id);
        if (socket == services_.options.run.ssh_sockets.end()) {
            if (!mount.mount.required) return;
            throw Error(ErrorKind::not_found, fmt::format("ssh agent {}: not found", printable(mount.mount.id)),
                        fmt::format("give it with --ssh {}", printable(mount.mount.id)));
        }
        SocketMount planned{mount.target, socket->second, mode_or(mount.mount.mode, 0600), mount.mount.uid.value_or(0),
                            mount.mount.gid.value_or(0)};
        if (mount.mount.target.empty())
            planned.target = ImagePath::clean(fmt::format("/run/buildkit/ssh_agent.{}", spec_.sockets.size()));
        if (!has_variable(spec_, "SSH_AUTH_SOCK"))
            spec_.environment.push_back("SSH_AUTH_SOCK=" + planned.target.absolute());
        spec_.sockets.push_back(std::move(planned));
    }

    const RunCommand& command_;
    const std::vector<const NodeResult*>& inputs_;
    Services& services_;
    FileContents& contents_;
    LayerStack& layers_;
    RunSpec& spec_;
};

}  // namespace

Digest content_of_mount(const RunMount& mount, const NodeResult& input, const StepTimes& times) {
    return content_at(input.tree, find_source(mount, input).path, times);
}

void renew_cache_mounts(const RunCommand& command, Services& services) {
    for (const RunMount& planned : command.mounts) {
        const parser::Mount& mount = planned.mount;
        if (mount.type == parser::MountType::cache && (mount.mode || mount.uid || mount.gid))
            services.renew_cache_mount(id_of_cache(planned));
    }
}

bool has_cache_mounts(const RunCommand& command) {
    return std::ranges::any_of(command.mounts,
                               [](const RunMount& mount) { return mount.mount.type == parser::MountType::cache; });
}

bool has_variable(const RunSpec& spec, std::string_view name) {
    return std::ranges::any_of(spec.environment, [&](const std::string& variable) {
        return variable.starts_with(name) && variable.substr(name.size()).starts_with('=');
    });
}

void add_mounts(RunSpec& spec, const RunCommand& command, const std::vector<const NodeResult*>& inputs,
                Services& services, FileContents& contents, LayerStack& layers) {
    MountPlanner(command, inputs, services, contents, layers, spec).plan();
}

}  // namespace imgbuild::builder
