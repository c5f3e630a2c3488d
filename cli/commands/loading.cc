// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/loading.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "builder/engine/load_image.h"
#include "cli/common/terminal.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {
namespace {

const layerstore::Image& image_for_engine(const std::vector<layerstore::Image>& images) {
    const auto host = layerstore::Platform::host();
    const auto native = std::ranges::find_if(images, [&](const layerstore::Image& image) {
        return image.config.platform.normalised().architecture == host.architecture;
    });
    return native == images.end() ? images.front() : *native;
}

std::string describe_load(const builder::EngineReport& report, const layerstore::Image& image, std::size_t of_images,
                          const std::vector<std::string>& names) {
    std::vector<std::string> familiar;
    for (const std::string& name : names) familiar.push_back(printable(layerstore::Reference::parse(name).familiar()));
    std::string text = fmt::format("loaded {} into {}",
                                   names.empty() ? image.manifest.config.digest.short_hex() : join(familiar, ", "),
                                   printable(report.engine));
    if (of_images > 1) text += fmt::format(", the image for {} of {}", image.config.platform.text(), of_images);
    if (report.was_there) return text + ": it was there already\n";
    if (report.sent_bytes > 0) text += fmt::format(": {} sent", human_size(report.sent_bytes));
    if (report.present > 0)
        text += fmt::format(", {} of {} there already", report.present, counted(report.layers, "layer", "layers"));
    return text + "\n";
}

}  // namespace

void load_into_engine(layerstore::Store& store, const std::vector<layerstore::Image>& images,
                      const std::vector<std::string>& names, const std::optional<std::string>& context, bool quiet) {
    const layerstore::Image& image = image_for_engine(images);
    const auto report = builder::load_into_engine(store, image, names, context);
    if (quiet) return;
    if (report)
        tell(describe_load(*report, image, images.size(), names));
    else
        tell("neither docker nor podman is here: the image is in the store of imgbuild alone\n");
}

}  // namespace imgbuild::cli
