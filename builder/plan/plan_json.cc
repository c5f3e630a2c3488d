// SPDX-License-Identifier: Apache-2.0
#include "builder/plan/plan_json.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

Json texts(const std::vector<std::string>& list) {
    Json array = Json::array();
    for (const std::string& text : list) array.push_back(printable(text));
    return array;
}

void set_if(Json& object, const char* name, const std::string& text) {
    if (!text.empty()) object[name] = printable(text);
}

void set_if(Json& object, const char* name, bool is_set) {
    if (is_set) object[name] = true;
}

template <typename Number>
void set_if(Json& object, const char* name, const std::optional<Number>& number) {
    if (number) object[name] = *number;
}

std::string octal(std::uint32_t mode) { return fmt::format("{:04o}", mode); }

Json mount_to_json(const RunMount& planned) {
    const parser::Mount& mount = planned.mount;
    Json object{{"type", parser::name_of(mount.type)}};
    // A secret that is only a variable, and an agent at its usual place, have none.
    if (!mount.target.empty() || mount.type == parser::MountType::bind)
        object["target"] = printable(planned.target.absolute());
    set_if(object, "input", planned.input);
    set_if(object, "source", mount.source);
    set_if(object, "id", mount.id);
    if (mount.environment) object["env"] = printable(*mount.environment);
    set_if(object, "readOnly", mount.read_only);
    set_if(object, "required", mount.required);
    if (mount.type == parser::MountType::cache) object["sharing"] = parser::name_of(mount.sharing);
    if (mount.mode) object["mode"] = octal(*mount.mode);
    set_if(object, "uid", mount.uid);
    set_if(object, "gid", mount.gid);
    set_if(object, "size", mount.size);
    return object;
}

// What each kind of operation says beyond its inputs.
struct Details {
    Json& object;

    void operator()(const FromScratch&) const {}
    void operator()(const FromImage& from) const {
        object["image"] = printable(from.image->name);
        object["digest"] = from.image->image.descriptor.digest.text();
    }
    void operator()(const ContextFiles& files) const {
        object["context"] = printable(files.context);
        Json wanted = Json::array();
        for (const ImagePath& path : files.wanted) wanted.push_back(printable(path.absolute()));
        object["wanted"] = std::move(wanted);
    }
    void operator()(const FetchUrl& fetch) const {
        object["url"] = printable(fetch.url);
        set_if(object, "checksum", fetch.checksum);
    }
    void operator()(const FetchGit& fetch) const {
        object["remote"] = printable(fetch.source.remote);
        set_if(object, "reference", fetch.source.reference);
        set_if(object, "directory", fetch.source.directory);
        set_if(object, "checksum", fetch.source.checksum);
        set_if(object, "keepGitDirectory", fetch.keep_git_dir);
    }
    void operator()(const EditFiles& edit) const {
        if (const auto* directory = std::get_if<MakeWorkingDirectory>(&edit.edit)) {
            object["directory"] = printable(directory->path.absolute());
            set_if(object, "owner", directory->owner);
            return;
        }
        const auto& transfer = std::get<TransferFiles>(edit.edit);
        Json sources = Json::array();
        for (const TransferSource& source : transfer.sources) {
            sources.push_back({{"input", source.input + 1}, {"pattern", printable(source.pattern)}});
            set_if(sources.back(), "pivot", source.pivot);
            set_if(sources.back(), "unpack", source.unpack);
        }
        for (const InlineFile& file : transfer.inline_files) sources.push_back({{"inline", printable(file.name)}});
        object["sources"] = std::move(sources);
        object["destination"] = printable(transfer.destination.absolute());
        set_if(object, "intoDirectory", transfer.into_directory);
        set_if(object, "chown", transfer.chown);
        set_if(object, "chmod", transfer.chmod);
        set_if(object, "link", transfer.link);
        set_if(object, "parents", transfer.parents);
        if (!transfer.excludes.empty()) object["exclude"] = texts(transfer.excludes);
    }
    void operator()(const RunCommand& run) const {
        object["arguments"] = texts(run.arguments);
        object["environment"] = texts(run.environment);
        object["user"] = printable(run.user);
        object["workingDirectory"] = printable(run.working_directory.absolute());
        if (run.network != parser::RunNetwork::inherit)
            object["network"] = run.network == parser::RunNetwork::none ? "none" : "host";
        if (run.security == parser::RunSecurity::insecure) object["security"] = "insecure";
        // Their names alone: the address of a proxy may hold a password.
        for (const std::string& variable : run.unkeyed)
            object["unkeyed"].push_back(variable.substr(0, variable.find('=')));
        Json mounts = Json::array();
        for (const RunMount& mount : run.mounts) mounts.push_back(mount_to_json(mount));
        if (!mounts.empty()) object["mounts"] = std::move(mounts);
    }
};

}  // namespace

Json node_to_json(const PlanNode& node, NodeId id) {
    Json object{{"id", id}, {"operation", name_of(node.operation)}, {"inputs", node.inputs}};
    object["label"] = printable(node.label);
    object["stage"] = printable(node.stage);
    if (node.number != 0) object["step"] = node.number;
    std::visit(Details{object}, node.operation);
    return object;
}

Json plan_to_json(const BuildPlan& plan) {
    Json nodes = Json::array();
    for (NodeId id = 0; id < plan.nodes.size(); ++id) nodes.push_back(node_to_json(plan.nodes[id], id));
    Json images = Json::array();
    for (const PlannedImage& image : plan.images) {
        images.push_back({{"platform", image.platform.text()},
                          {"root", image.root},
                          {"layers", image.layers},
                          {"config", parse_json(image.config.encode(), "the planned config")}});
        set_if(images.back(), "scan", image.scan);
    }
    return Json{{"target", printable(plan.target_stage)}, {"nodes", std::move(nodes)}, {"images", std::move(images)}};
}

}  // namespace imgbuild::builder
