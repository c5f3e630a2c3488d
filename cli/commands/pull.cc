// SPDX-License-Identifier: Apache-2.0
#include "builder/resolve/image_finder.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {

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
    for (const layerstore::Descriptor& layer : resolved->image.manifest.layers) {
        lease->add(layer.digest);
        resolved->blobs->bring(layer);
    }
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
