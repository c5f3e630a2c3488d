// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {
namespace {

Json layers_of(const layerstore::Image& image) {
    Json layers = Json::array();
    for (std::size_t i = 0; i < image.manifest.layers.size(); ++i) {
        Json layer = image.manifest.layers[i].to_json();
        layer["diffId"] = image.config.diff_ids[i].value.text();
        layers.push_back(std::move(layer));
    }
    return layers;
}

}  // namespace

int run_inspect(Arguments arguments) {
    OptionSet options("inspect NAME", "Prints name, digest, config, manifest and layers of an image, as JSON");
    CommonOptions common;
    std::optional<std::string> name;
    options.positional("NAME", name);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    const layerstore::NamedImage named = require_image(*store, *name);
    const auto image = store->read_image(named.descriptor, layerstore::Platform::host(), *name);
    const Json document{
        {"name", named.name},
        {"digest", image.descriptor.digest.text()},
        {"mediaType", image.descriptor.media_type},
        {"config", parse_json(image.config_bytes, *name)},
        {"manifest", parse_json(image.manifest_bytes, *name)},
        {"layers", layers_of(image)},
    };
    print(write_json_indented(document) + "\n");
    return exit_status::ok;
}

}  // namespace imgbuild::cli
