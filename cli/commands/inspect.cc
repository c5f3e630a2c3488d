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
    const auto opened =
        open_image("inspect", "Prints name, digest, config, manifest and layers of an image, as JSON", arguments);
    if (!opened) return exit_status::ok;
    const auto image = opened->read();
    Json document{
        {"name", opened->image.name},
        {"digest", image.descriptor.digest.text()},
        {"mediaType", image.descriptor.media_type},
        {"config", parse_json(image.config_bytes, opened->name)},
        {"manifest", parse_json(image.manifest_bytes, opened->name)},
        {"layers", layers_of(image)},
    };
    if (layerstore::is_index(opened->image.descriptor.media_type))
        document["index"] = parse_json(
            opened->store->blobs().read(opened->image.descriptor.digest, layerstore::max_manifest_bytes, opened->name),
            opened->name);
    print(write_json_indented(document) + "\n");
    return exit_status::ok;
}

}  // namespace imgbuild::cli
