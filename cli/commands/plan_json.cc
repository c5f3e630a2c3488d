// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/plan_json.h"

#include "base/json.h"
#include "base/text.h"

namespace imgbuild::cli {
namespace {

using namespace builder;

Json texts(const std::vector<std::string>& list) {
    Json array = Json::array();
    for (const std::string& text : list) array.push_back(printable(text));
    return array;
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
        if (!fetch.checksum.empty()) object["checksum"] = printable(fetch.checksum);
    }
    void operator()(const FetchGit& fetch) const {
        object["remote"] = printable(fetch.source.remote);
        if (!fetch.source.reference.empty()) object["reference"] = printable(fetch.source.reference);
        if (!fetch.source.directory.empty()) object["directory"] = printable(fetch.source.directory);
        if (!fetch.source.checksum.empty()) object["checksum"] = printable(fetch.source.checksum);
        if (fetch.keep_git_dir) object["keepGitDirectory"] = true;
    }
    void operator()(const EditFiles& edit) const {
        if (const auto* directory = std::get_if<MakeWorkingDirectory>(&edit.edit)) {
            object["directory"] = printable(directory->path.absolute());
            return;
        }
        const auto& transfer = std::get<TransferFiles>(edit.edit);
        Json sources = Json::array();
        for (const TransferSource& source : transfer.sources) {
            sources.push_back({{"input", source.input + 1}, {"pattern", printable(source.pattern)}});
            if (source.unpack) sources.back()["unpack"] = true;
        }
        for (const InlineFile& file : transfer.inline_files) sources.push_back({{"inline", printable(file.name)}});
        object["sources"] = std::move(sources);
        object["destination"] = printable(transfer.destination.absolute());
        if (!transfer.chown.empty()) object["chown"] = printable(transfer.chown);
        if (!transfer.chmod.empty()) object["chmod"] = printable(transfer.chmod);
    }
    void operator()(const RunCommand& run) const {
        object["arguments"] = texts(run.arguments);
        object["environment"] = texts(run.environment);
        object["user"] = printable(run.user);
        object["workingDirectory"] = printable(run.working_directory.absolute());
    }
};

Json node_to_json(const PlanNode& node, NodeId id) {
    Json object{{"id", id}, {"operation", name_of(node.operation)}, {"inputs", node.inputs}};
    object["label"] = printable(node.label);
    object["stage"] = printable(node.stage);
    if (node.number != 0) object["step"] = node.number;
    std::visit(Details{object}, node.operation);
    return object;
}

}  // namespace

Json plan_to_json(const BuildPlan& plan) {
    Json nodes = Json::array();
    for (NodeId id = 0; id < plan.nodes.size(); ++id) nodes.push_back(node_to_json(plan.nodes[id], id));
    Json images = Json::array();
    for (const PlannedImage& image : plan.images)
        images.push_back({{"platform", image.platform.text()},
                          {"root", image.root},
                          {"layers", image.layers},
                          {"config", parse_json(image.config.encode(), "the planned config")}});
    return Json{{"target", printable(plan.target_stage)}, {"nodes", std::move(nodes)}, {"images", std::move(images)}};
}

}  // namespace imgbuild::cli
