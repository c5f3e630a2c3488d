// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/offline.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/context_input.h"
#include "cli/commands/delivery.h"
#include "cli/commands/planning.h"

namespace imgbuild::cli {
namespace {

using builder::BuildPlan;
using builder::NodeId;
using builder::PlanNode;
using builder::ResolvedImage;

/// Brings nothing: what it stands for is never built.
class NoBlobs final : public builder::BlobProvider {
  public:
    void bring(const layerstore::Descriptor& blob) override {
        throw Error(ErrorKind::internal, fmt::format("bring {}: a stand-in has no blobs", blob.digest.text()));
    }
};

/// Gives an empty image for one that is not here, so that the rest of the file can be planned.
class StandIns final : public builder::ImageResolver {
  public:
    explicit StandIns(builder::ImageResolver& images) : images_(images) {}

    std::shared_ptr<const ResolvedImage> resolve(const std::string& reference,
                                                 const layerstore::Platform& platform) override {
        try {
            return images_.resolve(reference, platform);
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::unavailable) throw;
            ResolvedImage image{reference, {}, std::make_shared<NoBlobs>()};
            image.image.config.platform = platform;
            // The planner tells images by their digests.
            image.image.descriptor.digest = Sha256::of(reference + " " + platform.text());
            missing_.insert_or_assign(image.image.descriptor.digest, error.message());
            return std::make_shared<const ResolvedImage>(std::move(image));
        }
    }
    std::shared_ptr<const ResolvedImage> resolve_layout(const std::string& place,
                                                        const layerstore::Platform& platform) override {
        return images_.resolve_layout(place, platform);
    }

    /// Of all images that are not here, why.
    std::vector<std::string> reasons() const {
        std::vector<std::string> all;
        for (const auto& [digest, reason] : missing_) all.push_back("image " + reason);
        return all;
    }
    /// Why it is not here; null for an image that is.
    const std::string* reason(const ResolvedImage& image) const {
        const auto found = missing_.find(image.image.descriptor.digest);
        return found == missing_.end() ? nullptr : &found->second;
    }

  private:
    builder::ImageResolver& images_;
    std::map<Digest, std::string> missing_;
};

class Search {
  public:
    Search(const BuildOptions& options, const BuildPlan& plan, const StandIns& images, BuildInput& input,
           layerstore::Store& store, layerstore::Store::Lease& lease)
        : options_(options),
          plan_(plan),
          images_(images),
          input_(input),
          store_(store),
          loader_(options, store, lease) {}

    /// "Buildfile:3: what is missing", by place.
    std::vector<std::string> run() {
        for (NodeId id = 0; id < plan_.nodes.size(); ++id) {
            const builder::Operation& operation = plan_.nodes[id].operation;
            if (const auto* from = std::get_if<builder::FromImage>(&operation)) look_at(id, *from->image);
            if (const auto* files = std::get_if<builder::ContextFiles>(&operation)) look_at(id, *files);
            if (const auto* url = std::get_if<builder::FetchUrl>(&operation)) try_to(id, [&] { loader_.fetch(*url); });
            if (const auto* git = std::get_if<builder::FetchGit>(&operation)) try_to(id, [&] { loader_.fetch(*git); });
        }
        std::ranges::stable_sort(missing_, {}, &Missing::at);
        std::vector<std::string> lines;
        for (Missing& one : missing_) lines.push_back(std::move(one.line));
        return lines;
    }

  private:
    struct Missing {
        std::size_t at;  ///< in the Buildfile
        std::string line;
    };

    // What no line asks for itself stands where the first line that needs it does.
    parser::Span span_of(NodeId id) const {
        if (!plan_.nodes[id].span.empty()) return plan_.nodes[id].span;
        for (const PlanNode& user : plan_.nodes)
            if (!user.span.empty() && std::ranges::count(user.inputs, id) > 0) return user.span;
        return {};
    }

    void note(NodeId id, const std::string& what) {
        const parser::Span span = span_of(id);
        const std::string place = span.empty() ? "" : parser::location(span, input_.source) + ": ";
        missing_.push_back({span.begin, place + what});
    }

    template <class Bring>
    void try_to(NodeId id, Bring bring) {
        try {
            bring();
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::unavailable) throw;
            note(id, error.message());
        }
    }

    // Bytes of layers are needed for certain where the image is delivered with them; else by steps that are not cached.
    void look_at(NodeId id, const ResolvedImage& image) {
        if (const std::string* reason = images_.reason(image)) return note(id, "image " + *reason);
        if (!goal_of(options_).blobs) return;
        try_to(id, [&] {
            for (const layerstore::Descriptor& layer : image.image.manifest.layers)
                if (!store_.blobs().has(layer.digest)) image.blobs->bring(layer);
        });
    }

    void look_at(NodeId id, const builder::ContextFiles& files) {
        auto* elsewhere = std::get_if<builder::ContextElsewhere>(&input_.contexts.at(files.context));
        if (!elsewhere || elsewhere->loaded) return;
        try_to(id, [&] { elsewhere->loaded = loader_.load(elsewhere->place); });
    }

    const BuildOptions& options_;
    const BuildPlan& plan_;
    const StandIns& images_;
    BuildInput& input_;
    layerstore::Store& store_;
    ContextLoader loader_;
    std::vector<Missing> missing_;
};

// Empty where the file cannot be planned. That may be for want of what a missing image says; where it is not, planning
// again without stand-ins says what is wrong.
std::optional<BuildPlan> plan_with(StandIns& images, const BuildOptions& options, const parser::Buildfile& buildfile,
                                   layerstore::Store& store) {
    try {
        return try_plan(options, buildfile, store, &images).plan;
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::interrupted) throw;
        return std::nullopt;
    }
}

}  // namespace

void require_all_here(const BuildOptions& options, const parser::Buildfile& buildfile, BuildInput& input,
                      layerstore::Store& store, layerstore::Store::Lease& lease) {
    const auto finder = builder::make_image_finder(store, options.pull, true);
    StandIns images(*finder);
    const std::optional<BuildPlan> plan = plan_with(images, options, buildfile, store);
    const std::vector<std::string> missing =
        plan ? Search(options, *plan, images, input, store, lease).run() : images.reasons();
    if (missing.empty()) return;
    throw Error(ErrorKind::unavailable,
                fmt::format("--offline: {} that the build needs {} not here",
                            counted(missing.size(), "thing", "things"), missing.size() == 1 ? "is" : "are"),
                join(missing, "\n") + "\n`imgbuild pull` brings images; a build without --offline brings everything");
}

}  // namespace imgbuild::cli
