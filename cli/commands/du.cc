// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/commands/store_usage.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/table.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {
namespace {

std::string usage_table(const StoreUsage& usage) {
    Table parts({"PART", "SIZE", "WHAT"});
    for (const StorePart& part : usage.parts) parts.add({part.name, human_size(part.bytes), part.what});
    parts.add({"total", human_size(usage.total), ""});
    std::string text = parts.text();
    if (usage.unused)
        text += fmt::format("unused: {}, which `imgbuild prune` removes; with what only builds use {} (--all)\n",
                            human_size(*usage.unused), human_size(*usage.unused_with_cache));
    return text;
}

std::string image_usage_table(const StoreUsage& usage) {
    Table table({"IMAGE", "SIZE", "ONLY THIS ONE"});
    for (const ImageUsage& image : usage.images)
        table.add({image.name, human_size(image.bytes), human_size(image.unique)});
    return table.text();
}

std::string layer_usage_table(const StoreUsage& usage) {
    Table table({"LAYER", "SIZE", "IMAGES"});
    for (const auto& [digest, layer] : usage.layers)
        table.add({digest.short_hex(), human_size(layer.bytes),
                   join(std::vector<std::string>(layer.images.begin(), layer.images.end()), ", ")});
    return table.text();
}

std::string usage_json(const StoreUsage& usage) {
    Json parts = Json::object();
    for (const StorePart& part : usage.parts) parts[part.name] = part.bytes;
    Json images = Json::array();
    for (const ImageUsage& image : usage.images)
        images.push_back(Json{{"name", image.name}, {"bytes", image.bytes}, {"unique", image.unique}});
    Json layers = Json::array();
    for (const auto& [digest, layer] : usage.layers)
        layers.push_back(Json{{"digest", digest.text()}, {"bytes", layer.bytes}, {"images", layer.images}});
    Json document{{"total", usage.total}, {"parts", parts}, {"images", images}, {"layers", layers}};
    if (usage.unused) document["unused"] = *usage.unused;
    if (usage.unused_with_cache) document["unusedWithCache"] = *usage.unused_with_cache;
    return write_json_indented(document) + "\n";
}

}  // namespace

int run_du(Arguments arguments) {
    OptionSet options("du [flags]", "Says what takes the space of the store");
    CommonOptions common;
    bool by_image = false, by_layer = false, json = false;
    options.flag("--images", by_image, "by image: its blobs, and those that no other image holds");
    options.flag("--layers", by_layer, "by layer: its blob, and the images that hold it");
    options.flag("--json", json, "everything, as a JSON object");
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    const StoreUsage usage = measure_store(*store);
    if (json)
        print(usage_json(usage));
    else if (!by_image && !by_layer)
        print(usage_table(usage));
    if (by_image && !json) print(image_usage_table(usage));
    if (by_layer && !json) print(layer_usage_table(usage));
    if (usage.hidden > 0)
        tell(fmt::format("{} of other ids could not be looked into\n",
                         counted(usage.hidden, "directory", "directories")));
    return exit_status::ok;
}

}  // namespace imgbuild::cli
