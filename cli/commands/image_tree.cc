// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/image_tree.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "builder/resolve/image_finder.h"
#include "cli/common/common_options.h"
#include "cli/common/input.h"
#include "cli/common/terminal.h"
#include "cli/progress/progress.h"
#include "layerstore/image/archive.h"

namespace imgbuild::cli {
namespace {

constexpr std::string_view layout_prefix = "oci-layout://";

// The blobs of an image of the store are there, or fsck has something to say.
class BlobsOfStore final : public builder::BlobProvider {
  public:
    explicit BlobsOfStore(const layerstore::BlobStore& blobs) : blobs_(blobs) {}
    void bring(const layerstore::Descriptor& blob) override {
        if (!blobs_.has(blob.digest))
            throw Error(ErrorKind::corrupt, "blob " + blob.digest.text() + ": missing in the store",
                        "`imgbuild fsck` says what else is");
    }

  private:
    const layerstore::BlobStore& blobs_;
};

// The whole of a build that only has a base: its tree is what solve() gives for it.
builder::BuildPlan plan_of(std::shared_ptr<const builder::ResolvedImage> image) {
    builder::PlanNode node;
    node.operation = builder::FromImage{std::move(image)};
    node.label = "FROM " + std::get<builder::FromImage>(node.operation).image->name;
    builder::BuildPlan plan;
    plan.nodes.push_back(std::move(node));
    plan.images.push_back({.layers = {0}});
    return plan;
}

bool is_path(const std::string& text) {
    return text.starts_with('/') || text.starts_with("./") || text.starts_with("../");
}

bool is_file(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

}  // namespace

std::shared_ptr<const builder::ResolvedImage> image_of_store(layerstore::Store& store, const std::string& name,
                                                             layerstore::Image image) {
    return std::make_shared<builder::ResolvedImage>(
        builder::ResolvedImage{name, std::move(image), std::make_shared<BlobsOfStore>(store.blobs())});
}

ImageSources::ImageSources(layerstore::Store& store, std::optional<std::string> platform)
    : store_(store),
      lease_(store.lease()),
      platform_(std::move(platform)),
      finder_(builder::make_image_finder(store, builder::PullPolicy::never, true)) {}

ImageSources::~ImageSources() = default;

layerstore::Platform ImageSources::wanted_platform() const {
    return platform_ ? layerstore::Platform::parse(*platform_) : layerstore::Platform::host();
}

std::shared_ptr<const builder::ResolvedImage> ImageSources::find_in_archive(const std::string& path) {
    const Input input = open_input(path);
    auto images = layerstore::read_archive(*input.reader, store_.blobs(), wanted_platform(), input.name);
    if (images.size() != 1)
        throw Error(ErrorKind::not_found,
                    fmt::format("{}: holds {}", printable(path), counted(images.size(), "image", "images")),
                    "load it and name one of them");
    return image_of_store(store_, path, std::move(images.front().image));
}

std::shared_ptr<const builder::ResolvedImage> ImageSources::find(const std::string& text) {
    if (text.starts_with(layout_prefix))
        return finder_->resolve_layout(text.substr(layout_prefix.size()), wanted_platform());
    if (is_path(text)) return is_file(text) ? find_in_archive(text) : finder_->resolve_layout(text, wanted_platform());
    const layerstore::NamedImage named = require_image(store_, text);
    return image_of_store(store_, text, read_one_image(store_, named.descriptor, platform_, text));
}

builder::SolvedImage ImageSources::read(const std::shared_ptr<const builder::ResolvedImage>& image,
                                        const builder::SolveGoal& goal) {
    const builder::BuildPlan plan = plan_of(image);
    builder::SolveOptions options;
    options.goal = goal;
    options.offline = true;
    const std::unique_ptr<Progress> progress = make_progress(ProgressMode::quiet, STDERR_FILENO, tell);
    auto solved = builder::solve(plan, options, store_, *lease_, *progress);
    return std::move(std::get<builder::Solved>(solved).images.front());
}

}  // namespace imgbuild::cli
