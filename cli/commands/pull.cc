// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <future>
#include <vector>

#include "base/task_pool.h"
#include "builder/resolve/image_finder.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {
namespace {

constexpr std::size_t layers_at_once = 4;

// All are waited for, also behind one that failed: they borrow what is ours.
void bring_all(const builder::ResolvedImage& image) {
    const auto& layers = image.image.manifest.layers;
    TaskPool pool(std::clamp<std::size_t>(layers.size(), 1, layers_at_once));
    std::vector<std::future<void>> running;
    for (const layerstore::Descriptor& layer : layers)
        running.push_back(pool.submit([&image, &layer] { image.blobs->bring(layer); }));
    for (std::future<void>& one : running) one.wait();
    for (std::future<void>& one : running) one.get();
}

}  // namespace

int run_pull(Arguments arguments) {
    OptionSet options("pull [flags] NAME", "Brings an image from its registry to the store and prints its digest");
    CommonOptions common;
    std::optional<std::string> name, platform_text;
    options.positional("NAME", name);
    options.value("--platform", platform_text, "PLATFORM", "as in linux/arm64 (else this machine's)");
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const layerstore::Platform platform =
        platform_text ? layerstore::Platform::parse(*platform_text) : layerstore::Platform::host();

    const std::unique_ptr<layerstore::Store> store = open_store(common);
    const auto lease = store->lease();
    const auto finder = builder::make_image_finder(*store, builder::PullPolicy::always, false);
    const auto resolved = finder->resolve(*name, platform);
    for (const layerstore::Descriptor& layer : resolved->image.manifest.layers) lease->add(layer.digest);
    bring_all(*resolved);
    // A short name may stand for one of another registry than Docker Hub.
    const layerstore::Reference reference = layerstore::Reference::parse(resolved->name);
    // What is named by digest has no name of its own to keep.
    const std::vector<std::string> names =
        reference.digest ? std::vector<std::string>{} : std::vector{reference.full()};
    store->tag(names, resolved->image.descriptor);
    print(resolved->image.descriptor.digest.text() + "\n");
    return exit_status::ok;
}

}  // namespace imgbuild::cli
