// SPDX-License-Identifier: Apache-2.0
#include "layerstore/image/image.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::layerstore {

void check_image(const Image& image, std::string_view what) {
    auto refuse = [&](const std::string& reason) {
        throw Error(ErrorKind::invalid_input, fmt::format("{}: {}", what, reason));
    };
    const Descriptor& config = image.manifest.config;
    if (!is_image_config(config.media_type))
        refuse(fmt::format("not an image but an artifact: its config is \"{}\"", printable(config.media_type)));
    if (config.size != image.config_bytes.size() || config.digest != Sha256::of(image.config_bytes))
        refuse("the config is not the one that the manifest names");
    if (image.manifest.layers.size() != image.config.diff_ids.size())
        refuse(fmt::format("{}, but {} in the config", counted(image.manifest.layers.size(), "layer", "layers"),
                           counted(image.config.diff_ids.size(), "diff ID", "diff IDs")));
    for (std::size_t i = 0; i < image.manifest.layers.size(); ++i)
        if (!layer_compression(image.manifest.layers[i].media_type))
            refuse(fmt::format("layers[{}]: \"{}\" is no layer that can be unpacked", i,
                               printable(image.manifest.layers[i].media_type)));
}

ChainId chain_id(std::span<const DiffId> diff_ids) {
    Digest chain;
    for (const DiffId& diff_id : diff_ids)
        chain = chain.is_zero() ? diff_id.value : Sha256::of(chain.text() + " " + diff_id.value.text());
    return {chain};
}

}  // namespace imgbuild::layerstore
