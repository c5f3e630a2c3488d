// SPDX-License-Identifier: Apache-2.0
#include "cli/common/common_options.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/common/terminal.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {

void add_common(OptionSet& options, CommonOptions& common) {
    options.value("--store", common.store, "DIR", "the store (else IMGBUILD_STORE, else one of your own)");
    options.value("--root-mode", common.root_mode, "MODE", "auto, root, userns, single, chroot or emulated");
    options.flag("--debug", common.debug, "more about errors");
}

bool parse_or_help(OptionSet& options, Arguments arguments) {
    if (options.parse(arguments)) return true;
    print(options.help());
    return false;
}

std::string store_path(const CommonOptions& common) {
    if (common.store && common.store->empty()) throw Error(ErrorKind::usage, "--store: the path is empty");
    return common.store ? *common.store : layerstore::Store::default_path();
}

std::unique_ptr<layerstore::Store> open_store(const CommonOptions& common) {
    return layerstore::Store::open(store_path(common));
}

std::optional<builder::RootMode> wanted_root_mode(const CommonOptions& common) {
    if (!common.root_mode || *common.root_mode == "auto") return std::nullopt;
    const std::optional<builder::RootMode> mode = builder::root_mode_from_name(*common.root_mode);
    if (!mode)
        throw Error(ErrorKind::usage, fmt::format("--root-mode: no mode is called {}", printable(*common.root_mode)),
                    "there are auto, root, userns, single, chroot and emulated");
    return mode;
}

layerstore::NamedImage require_image(layerstore::Store& store, const std::string& name) {
    if (std::optional<layerstore::NamedImage> image = store.find_image(name)) return *image;
    std::vector<std::string> names;
    for (const layerstore::NamedImage& image : store.images())
        if (!image.name.empty()) names.push_back(layerstore::Reference::parse(image.name).familiar());
    const std::optional<std::string> near = nearest(name, names);
    throw Error(ErrorKind::not_found, fmt::format("{}: no such image in the store", printable(name)),
                near ? fmt::format("did you mean {}?", *near) : "`imgbuild images` lists what is there");
}

}  // namespace imgbuild::cli
