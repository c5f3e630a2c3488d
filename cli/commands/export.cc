// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "base/error.h"
#include "builder/image/output.h"
#include "builder/solve/solver.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"
#include "cli/progress/progress.h"

namespace imgbuild::cli {
namespace {

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

}  // namespace

int run_export(Arguments arguments) {
    OptionSet options("export [flags] NAME", "Writes the files of an image, all layers merged, as a tar");
    CommonOptions common;
    std::optional<std::string> name, output, platform;
    options.positional("NAME", name);
    options.value("-o,--output", output, "FILE", "else standard output");
    add_platform(options, platform);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    if (!output && ::isatty(STDOUT_FILENO) == 1)
        throw Error(ErrorKind::usage, "export: standard output is a terminal", "name a file with -o");

    const std::unique_ptr<layerstore::Store> store = open_store(common);
    const auto lease = store->lease();
    const layerstore::NamedImage named = require_image(*store, *name);
    auto read = read_one_image(*store, named.descriptor, platform, *name);
    const builder::BuildPlan plan = plan_of(std::make_shared<builder::ResolvedImage>(
        builder::ResolvedImage{*name, std::move(read), std::make_shared<BlobsOfStore>(store->blobs())}));
    builder::SolveOptions solve_options;
    solve_options.goal.files = true;
    solve_options.offline = true;
    const std::unique_ptr<Progress> progress = make_progress(ProgressMode::quiet, STDERR_FILENO, tell);
    const auto solved = builder::solve(plan, solve_options, *store, *lease, *progress);
    const builder::SolvedImage& image = std::get<builder::Solved>(solved).images.front();
    builder::write_tree_archive(image.tree, *image.contents, output.value_or("-"));
    return exit_status::ok;
}

}  // namespace imgbuild::cli
