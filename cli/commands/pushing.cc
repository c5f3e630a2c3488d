// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/pushing.h"

#include <fmt/format.h>

#include <map>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "builder/fetch/documents.h"
#include "builder/push/repositories.h"
#include "cli/common/terminal.h"
#include "layerstore/image/layout.h"
#include "layerstore/image/reference.h"

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

// What images elsewhere are made of, and in which repository that is.
struct Origins {
    std::map<Digest, std::string> by_blob;

    Origins(const std::map<Digest, std::string>& origins, const layerstore::BlobStore& blobs,
            builder::KnownRepositories& repositories) {
        for (const auto& [digest, repository] : origins) {
            const std::string bytes = blobs.read(digest, layerstore::max_manifest_bytes, repository);
            const auto manifest = layerstore::Manifest::parse(bytes, "", repository);
            repositories.add(repository, manifest);
            by_blob.emplace(manifest.config.digest, repository);
            for (const Descriptor& layer : manifest.layers) by_blob.emplace(layer.digest, repository);
        }
    }

    void bring(const Descriptor& blob, const layerstore::BlobStore& blobs) const {
        const auto origin = by_blob.find(blob.digest);
        if (origin == by_blob.end()) return;
        builder::ask_registry("image " + origin->second,
                              [&] { builder::bring_blob(layerstore::Reference::parse(origin->second), blob, blobs); });
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

std::vector<std::string> push_targets(const std::vector<std::string>& texts) {
    constexpr std::string_view prefix = "docker://";
    std::vector<std::string> targets;
    for (const std::string& text : texts) {
        const auto reference =
            layerstore::Reference::parse(text.starts_with(prefix) ? text.substr(prefix.size()) : text);
        if (reference.digest)
            throw Error(ErrorKind::usage, "push: " + text + ": a digest is not chosen but made", "give a tag");
        targets.push_back(reference.full());
    }
    return targets;
}

void push(const PushJob& job) {
    builder::KnownRepositories repositories(job.store);
    std::unique_ptr<Bases> bases;
    if (job.plan) bases = std::make_unique<Bases>(*job.plan, repositories);
    builder::PushSource source{.blobs = job.store.blobs(), .root = job.root};
    source.find_repository = [&](const std::string& domain, const Digest& blob) {
        return repositories.find(domain, blob);
    };
    if (bases) source.bring = [&](const Descriptor& blob) { bases->bring(blob); };
    std::unique_ptr<Origins> origins;
    if (job.origins) origins = std::make_unique<Origins>(*job.origins, job.store.blobs(), repositories);
    if (origins) source.bring = [&](const Descriptor& blob) { origins->bring(blob, job.store.blobs()); };
    std::vector<Descriptor> blobs;
    layerstore::for_each_blob(job.store.blobs(), job.root, "push", [&](const Descriptor& blob) {
        if (!builder::is_document(blob.media_type)) blobs.push_back(blob);
    });
    builder::push_image(source, job.names, {.by_digest = job.by_digest}, [&](const builder::PushReport& report) {
        repositories.remember(report.repository, blobs);
        if (!job.quiet) tell(describe(report));
    });
}

}  // namespace imgbuild::cli
