// SPDX-License-Identifier: Apache-2.0
#include "builder/plan/merge_plans.h"

#include <algorithm>
#include <map>
#include <utility>

namespace imgbuild::builder {
namespace {

// Of a context each plan wants what its own steps look at: the node gives what one of them does.
bool does_the_same(const Operation& a, const Operation& b) {
    const auto* files = std::get_if<ContextFiles>(&a);
    const auto* others = std::get_if<ContextFiles>(&b);
    return files && others ? files->context == others->context : a == b;
}

void want_also(Operation& operation, const Operation& other) {
    auto* files = std::get_if<ContextFiles>(&operation);
    if (!files) return;
    for (const ImagePath& path : std::get<ContextFiles>(other).wanted)
        if (std::ranges::find(files->wanted, path) == files->wanted.end()) files->wanted.push_back(path);
}

// "linux/amd64->arm64": the system is said once.
std::string across(const std::string& platform, const layerstore::Platform& target) {
    const std::string system = target.os + "/";
    const std::string text = target.text();
    return platform + "->" + (platform.starts_with(system) ? text.substr(system.size()) : text);
}

class Merger {
  public:
    explicit Merger(BuildPlan first) : merged_(std::move(first)), users_(merged_.nodes.size(), {0}) {
        for (NodeId id = 0; id < merged_.nodes.size(); ++id) by_label_.emplace(merged_.nodes[id].label, id);
    }

    void add(BuildPlan plan) {
        std::vector<NodeId> place;  // in the merged plan, of each node
        const auto move = [&](NodeId& id) { id = place[id]; };
        for (PlanNode& node : plan.nodes) {
            std::ranges::for_each(node.inputs, move);
            place.push_back(put(std::move(node)));
        }
        for (PlannedImage& image : plan.images) {
            move(image.root);
            if (image.scan) move(*image.scan);
            std::ranges::for_each(image.layers, move);
            merged_.images.push_back(std::move(image));
        }
    }

    BuildPlan finish() {
        for (NodeId id = 0; id < merged_.nodes.size(); ++id) {
            if (users_[id].size() != 1) continue;
            PlanNode& node = merged_.nodes[id];
            const layerstore::Platform& target = merged_.images[users_[id].front()].platform;
            if (!node.platform.empty() && node.platform != target.text()) node.platform = across(node.platform, target);
        }
        return std::move(merged_);
    }

  private:
    NodeId put(PlanNode node) {
        const std::size_t user = merged_.images.size();
        const auto [begin, end] = by_label_.equal_range(node.label);
        const auto known = std::find_if(begin, end, [&](const auto& entry) {
            const PlanNode& other = merged_.nodes[entry.second];
            return other.stage == node.stage && other.span == node.span && other.inputs == node.inputs &&
                   does_the_same(other.operation, node.operation);
        });
        if (known != end) {
            PlanNode& shared = merged_.nodes[known->second];
            want_also(shared.operation, node.operation);
            for (const parser::Span span : node.others)
                if (std::ranges::find(shared.others, span) == shared.others.end()) shared.others.push_back(span);
            if (shared.platform != node.platform) shared.platform.clear();
            if (users_[known->second].back() != user) users_[known->second].push_back(user);
            return known->second;
        }
        const NodeId id = merged_.nodes.size();
        by_label_.emplace(node.label, id);
        users_.push_back({user});
        merged_.nodes.push_back(std::move(node));
        return id;
    }

    BuildPlan merged_;
    std::multimap<std::string, NodeId> by_label_;
    std::vector<std::vector<std::size_t>> users_;  // of each node, the images that need it
};

}  // namespace

BuildPlan merge_plans(std::vector<BuildPlan> plans) {
    Merger merger(std::move(plans.front()));
    for (std::size_t i = 1; i < plans.size(); ++i) merger.add(std::move(plans[i]));
    return merger.finish();
}

}  // namespace imgbuild::builder
