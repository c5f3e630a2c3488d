// SPDX-License-Identifier: Apache-2.0
#include "builder/attest/detail/image_steps.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "builder/attest/purl.h"
#include "builder/plan/plan_json.h"

namespace imgbuild::builder::detail {
namespace {

constexpr std::string_view sha256_prefix = "sha256:";
constexpr std::size_t sha1_digits = 40;

// Inputs stand before their users.
std::vector<NodeId> needed_by(const BuildPlan& plan, NodeId root) {
    std::vector<bool> is_needed(plan.nodes.size());
    is_needed[root] = true;
    std::vector<NodeId> nodes;
    for (NodeId id = root + 1; id-- > 0;) {
        if (!is_needed[id]) continue;
        nodes.push_back(id);
        for (const NodeId input : plan.nodes[id].inputs) is_needed[input] = true;
    }
    std::ranges::reverse(nodes);
    return nodes;
}

void add(std::vector<Material>& materials, Material material) {
    const auto is_same = [&](const Material& other) {
        return other.uri == material.uri && other.revision == material.revision;
    };
    if (!material.uri.empty() && std::ranges::none_of(materials, is_same)) materials.push_back(std::move(material));
}

}  // namespace

Json digest_set(const std::string& revision) {
    Json set = Json::object();
    if (revision.starts_with(sha256_prefix))
        set["sha256"] = revision.substr(sha256_prefix.size());
    else if (!revision.empty())
        set[revision.size() == sha1_digits ? "sha1" : "sha256"] = revision;
    return set;
}

ImageSteps::ImageSteps(const BuildFacts& facts, std::size_t image)
    : facts_(facts), image_(facts.plan.images[image]), nodes_(needed_by(facts.plan, image_.root)) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) numbers_.emplace(nodes_[i], i);
}

template <class Kind, class Visit>
void ImageSteps::each(const Visit& visit) const {
    for (const NodeId id : nodes_)
        if (const auto* operation = std::get_if<Kind>(&facts_.plan.nodes[id].operation)) visit(*operation, id);
}

std::string ImageSteps::name_of_step(NodeId node) const { return fmt::format("step{}", numbers_.at(node)); }

std::string ImageSteps::uri_of(const ResolvedImage& image) const {
    const auto layout = facts_.layouts.find(image.name);
    return layout == facts_.layouts.end() ? image_purl(image.name, image.image.config.platform)
                                          : layout_purl(layout->second, image.image.config.platform);
}

std::vector<Material> ImageSteps::materials() const {
    std::vector<Material> materials;
    if (const auto main = facts_.contexts.find(""); main != facts_.contexts.end())
        add(materials, {main->second.uri, main->second.revision});
    for (const NodeId id : nodes_) {
        const Operation& operation = facts_.plan.nodes[id].operation;
        const std::string& revision = facts_.revisions[id];
        if (const auto* from = std::get_if<FromImage>(&operation))
            add(materials, {uri_of(*from->image), from->image->image.descriptor.digest.text()});
        else if (const auto* url = std::get_if<FetchUrl>(&operation))
            add(materials, {public_url(url->url), revision});
        else if (const auto* git = std::get_if<FetchGit>(&operation))
            add(materials, {public_url(parser::text_of(git->source)), revision});
        else if (const auto* files = std::get_if<ContextFiles>(&operation))
            add(materials, {facts_.contexts.at(files->context).uri, revision});
    }
    return materials;
}

std::vector<std::string> ImageSteps::local_contexts() const {
    std::vector<std::string> names;
    each<ContextFiles>([&](const ContextFiles& files, NodeId) {
        if (facts_.contexts.at(files.context).uri.empty()) names.push_back(files.context);
    });
    return names;
}

Json ImageSteps::ids(parser::MountType type) const {
    std::map<std::string, bool> optional;
    each<RunCommand>([&](const RunCommand& run, NodeId) {
        for (const RunMount& mount : run.mounts) {
            if (mount.mount.type != type) continue;
            bool& is_optional = optional.try_emplace(mount.mount.id, true).first->second;
            is_optional = is_optional && !mount.mount.required;
        }
    });
    Json list = Json::array();
    for (const auto& [id, is_optional] : optional) {
        list.push_back({{"id", printable(id)}});
        if (is_optional) list.back()["optional"] = true;
    }
    return list;
}

bool ImageSteps::is_hermetic() const {
    bool is_hermetic = true;
    each<RunCommand>(
        [&](const RunCommand& run, NodeId) { is_hermetic = is_hermetic && run.network == parser::RunNetwork::none; });
    return is_hermetic;
}

Json ImageSteps::steps() const {
    Json list = Json::array();
    for (const NodeId id : nodes_) {
        const PlanNode& node = facts_.plan.nodes[id];
        Json step = node_to_json(node, id);
        step["id"] = name_of_step(id);
        for (std::size_t i = 0; i < node.inputs.size(); ++i) step["inputs"][i] = name_of_step(node.inputs[i]);
        if (const auto* from = std::get_if<FromImage>(&node.operation)) {
            step["image"] = uri_of(*from->image);
            step["label"] = "FROM " + uri_of(*from->image);
        } else if (const auto* url = std::get_if<FetchUrl>(&node.operation)) {
            step["url"] = printable(public_url(url->url));
        }
        list.push_back(std::move(step));
    }
    return list;
}

void ImageSteps::each_span(const std::function<void(NodeId, std::size_t, std::size_t)>& visit) const {
    const auto tell = [&](NodeId id, parser::Span span) {
        if (!span.empty()) visit(id, facts_.source.line_of(span.begin), facts_.source.line_of(span.end - 1));
    };
    for (const NodeId id : nodes_) {
        tell(id, facts_.plan.nodes[id].span);
        for (const parser::Span span : facts_.plan.nodes[id].others) tell(id, span);
    }
}

Json ImageSteps::locations() const {
    Json locations = Json::object();
    each_span([&](NodeId id, std::size_t first, std::size_t last) {
        const Json range{{"start", {{"line", first}}}, {"end", {{"line", last}}}};
        locations[name_of_step(id)]["locations"].push_back({{"ranges", Json::array({range})}});
    });
    return locations;
}

Json ImageSteps::lines() const {
    std::map<std::size_t, Json> steps;
    each_span([&](NodeId id, std::size_t first, std::size_t last) {
        for (std::size_t line = first; line <= last; ++line) steps[line].push_back(name_of_step(id));
    });
    Json lines = Json::object();
    for (auto& [line, list] : steps) lines[std::to_string(line)] = std::move(list);
    return lines;
}

Json ImageSteps::layers(const std::vector<layerstore::Descriptor>& layers) const {
    Json object = Json::object();
    std::size_t next = 0;
    for (const NodeId id : image_.layers) {
        const auto* from = std::get_if<FromImage>(&facts_.plan.nodes[id].operation);
        const std::size_t count = from ? from->image->image.manifest.layers.size() : 1;
        Json list = Json::array();
        for (std::size_t i = 0; i < count && next < layers.size(); ++i) list.push_back(layers[next++].to_json());
        object[name_of_step(id)] = std::move(list);
    }
    return object;
}

}  // namespace imgbuild::builder::detail
