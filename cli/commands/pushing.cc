// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/pushing.h"

#include <fmt/format.h>

#include <map>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "builder/push/repositories.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {
namespace {

using layerstore::Descriptor;

// What the bases of a build know of their layers.
struct Bases {
    std::map<Digest, std::shared_ptr<const builder::ResolvedImage>> by_layer;

    Bases(const builder::BuildPlan& plan, builder::KnownRepositories& repositories) {
        for (const builder::PlanNode& node : plan.nodes) {
            const auto* base = std::get_if<builder::FromImage>(&node.operation);
            if (!base) continue;
            for (const Descriptor& layer : base->image->image.manifest.layers)
                by_layer.emplace(layer.digest, base->image);
            // The embedded image comes from no registry; asking one for it costs nothing but the answer.
            repositories.add(base->image->name, base->image->image.manifest);
        }
    }

    void bring(const Descriptor& blob) const {
        const auto base = by_layer.find(blob.digest);
        if (base != by_layer.end()) base->second->blobs->bring(blob);
    }
};

std::string describe(const builder::PushReport& report) {
    std::vector<std::string> parts;
    if (report.uploaded > 0)
        parts.push_back(
            fmt::format("{} sent ({})", counted(report.uploaded, "blob", "blobs"), human_size(report.uploaded_bytes)));
    if (report.mounted > 0) parts.push_back(fmt::format("{} mounted", report.mounted));
    if (report.present > 0) parts.push_back(fmt::format("{} there already", report.present));
    std::string text = fmt::format("pushed {}", report.repository);
    for (std::size_t i = 0; i < report.tags.size(); ++i) text += (i == 0 ? ":" : ", :") + report.tags[i];
    return text + (parts.empty() ? "" : ": " + join(parts, ", ")) + "\n";
}

}  // namespace

void push(const PushJob& job) {
    builder::KnownRepositories repositories(job.store);
    std::unique_ptr<Bases> bases;
    if (job.plan) bases = std::make_unique<Bases>(*job.plan, repositories);
    builder::PushSource source{.blobs = job.store.blobs(), .root = job.root};
    source.find_repository = [&](const std::string& domain, const Digest& blob) {
        return repositories.find(domain, blob);
    };
    if (bases) source.bring = [&](const Descriptor& blob) { bases->bring(blob); };
    builder::push_image(source, job.names, {.by_digest = job.by_digest}, [&](const builder::PushReport& report) {
        if (!job.quiet) tell(describe(report));
    });
}

}  // namespace imgbuild::cli
