// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/rebuild.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/attestations.h"
#include "cli/commands/build_request.h"
#include "cli/commands/delivery.h"
#include "cli/commands/delta_sandbox.h"
#include "cli/commands/solving.h"
#include "cli/commands/source_epoch.h"
#include "cli/common/terminal.h"
#include "cli/progress/progress.h"

namespace imgbuild::cli {
namespace {

/// Blobs of a base image, brought to one store and from there to another.
class BlobsHandedOn final : public builder::BlobProvider {
  public:
    BlobsHandedOn(std::shared_ptr<builder::BlobProvider> origin, layerstore::Store& from, FreshStore& to,
                  std::string what)
        : origin_(std::move(origin)), from_(from), to_(to), what_(std::move(what)) {}

    void bring(const layerstore::Descriptor& blob) override {
        to_.lease().add(blob.digest);
        if (to_.store().blobs().has(blob.digest)) return;
        origin_->bring(blob);
        layerstore::copy_blob(from_.blobs(), to_.store().blobs(), blob, what_);
    }

  private:
    std::shared_ptr<builder::BlobProvider> origin_;
    layerstore::Store& from_;
    FreshStore& to_;
    std::string what_;
};

std::vector<LayerOrigin> origins_of_plan(const PlannedBuild& build, const builder::PlannedImage& planned,
                                         const layerstore::Image& image) {
    std::vector<LayerOrigin> origins;
    for (const builder::NodeId id : planned.layers) {
        const builder::PlanNode& node = build.plan.nodes[id];
        const auto* from = std::get_if<builder::FromImage>(&node.operation);
        const std::size_t count = from ? from->image->image.manifest.layers.size() : 1;
        LayerOrigin origin{printable(node.written.empty() ? node.label : node.written), ""};
        if (!node.span.empty())
            origin.place = printable(build.input.source.name()) + ":" +
                           std::to_string(build.input.source.line_of(node.span.begin));
        origins.insert(origins.end(), count, origin);
    }
    return origins.size() == image.manifest.layers.size() ? origins : origins_of_history(image);
}

}  // namespace

FreshStore::FreshStore(const Directory& parent, std::optional<builder::RootMode> mode)
    : folder_(TemporaryDirectory::create_in(parent)),
      mode_(mode),
      store_(layerstore::Store::open(folder_.path() + "/store")),
      lease_(store_->lease()) {}

// Deltas may belong to ids that only a sandbox can act as.
FreshStore::~FreshStore() {
    lease_.reset();
    try {
        DeltaSandbox deltas(*store_, mode_);
        store_->prune({.all = true}, [&](const std::string& spelling, const DeltaId& delta) {
            return deltas.remove(spelling, delta);
        });
    } catch (const Error&) {
        // What is left is swept with pending/.
    }
}

std::unique_ptr<PlannedBuild> plan_build(BuildOptions options, layerstore::Store& store,
                                         layerstore::Store::Lease& lease) {
    BuildInput input = read_build_input(options, store, &lease);
    std::optional<ParsedInput> parsed = parse_input(options, input);
    if (!parsed) return nullptr;
    std::optional<builder::PlanResult> planned = plan_with_time(options, parsed->buildfile, input, store, &lease);
    if (!planned) return nullptr;
    for (const auto& warnings : {options.warnings, input.warnings, parsed->warnings, planned->warnings})
        for (const std::string& warning : warnings) tell("warning: " + printable(warning) + "\n");
    return std::make_unique<PlannedBuild>(
        PlannedBuild{std::move(options), std::move(input), std::move(parsed->buildfile), std::move(*planned->plan)});
}

std::unique_ptr<PlannedBuild> plan_again(const PlannedBuild& build, BuildOptions options, layerstore::Store& store,
                                         FreshStore& fresh) {
    options.source = build.input.source;
    BuildInput input = read_build_input(options, fresh.store(), &fresh.lease());
    auto again =
        std::make_unique<PlannedBuild>(PlannedBuild{std::move(options), std::move(input), build.buildfile, build.plan});
    for (builder::PlanNode& node : again->plan.nodes) {
        auto* from = std::get_if<builder::FromImage>(&node.operation);
        if (!from) continue;
        builder::ResolvedImage image = *from->image;
        image.blobs = std::make_shared<BlobsHandedOn>(image.blobs, store, fresh, "image " + printable(image.name));
        from->image = std::make_shared<const builder::ResolvedImage>(std::move(image));
    }
    return again;
}

MadeImages make_images(const PlannedBuild& build, layerstore::Store& store, layerstore::Store::Lease& lease) {
    const BuildOptions& options = build.options;
    builder::SolveOptions solve_options = solve_options_of(options, build.input, build.buildfile, build.plan);
    solve_options.goal = {.layers = true};
    const auto progress = make_progress(options.progress, STDERR_FILENO, tell, options.explain);
    const auto result = builder::solve(build.plan, solve_options, store, lease, *progress);
    progress->finish();
    const auto* solved = std::get_if<builder::Solved>(&result);
    if (!solved) throw Error(ErrorKind::usage, "verify: --require-cached: a step is not in the store");
    const Attestations none(options, build.input, build.plan, *solved, std::time(nullptr));
    MadeImages made;
    made.images = make_product(options, build.plan, *solved, none, store).images;
    for (std::size_t i = 0; i < made.images.size(); ++i)
        made.origins.push_back(origins_of_plan(build, build.plan.images[i], made.images[i]));
    made.contexts = recorded_inputs(options, build.input, build.plan, *solved).contexts;
    return made;
}

ImageSide side_of(const std::string& name, layerstore::Image image, std::vector<LayerOrigin> origins,
                  layerstore::Store& store) {
    auto shared = std::make_shared<const layerstore::Image>(image);
    ImageSide side{name, std::move(image), std::move(origins), {}, {}};
    side.open = [shared, &store, name](std::size_t layer) {
        const layerstore::Descriptor& blob = shared->manifest.layers.at(layer);
        const std::string what = printable(name) + ": layer " + blob.digest.text();
        return open_layer_tar(store.blobs().open(blob.digest, blob.size, what), blob, what);
    };
    side.known = [shared, &store](std::size_t layer) -> std::shared_ptr<const layerstore::TreeDelta> {
        const auto record = store.records().find_layer(shared->manifest.layers.at(layer).digest);
        if (!record) return nullptr;
        auto delta = store.records().load_delta(record->delta);
        return delta ? std::make_shared<const layerstore::TreeDelta>(std::move(*delta)) : nullptr;
    };
    return side;
}

}  // namespace imgbuild::cli
