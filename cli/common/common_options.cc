// SPDX-License-Identifier: Apache-2.0
#include "cli/common/common_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/text.h"
#include "cli/common/terminal.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {

void add_common(OptionSet& options, CommonOptions& common, CommonScope scope) {
    if (scope == CommonScope::nothing)
        options.silent("--store", common.store);
    else
        options.value("--store", common.store, "DIR", "the store (else IMGBUILD_STORE, else one of your own)");
    if (scope == CommonScope::nothing)
        options.silent("--durability", common.durability);
    else
        options.value("--durability", common.durability, "MODE",
                      "what survives a power loss: steps, images or none (else IMGBUILD_DURABILITY, else images)");
    if (scope == CommonScope::sandbox)
        options.value("--root-mode", common.root_mode, "MODE", "auto, root, userns, single, chroot or emulated");
    else
        options.silent("--root-mode", common.root_mode);
    options.flag("--debug", common.debug,
                 "more about errors, and of a build how many bytes were hashed and compressed");
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

namespace {

layerstore::StoreDurability wanted_durability(const CommonOptions& common) {
    using layerstore::StoreDurability;
    const char* variable = std::getenv("IMGBUILD_DURABILITY");
    const bool is_set = variable != nullptr && *variable != '\0';
    const std::string word = common.durability ? *common.durability : is_set ? variable : "images";
    if (word == "none") return StoreDurability::none;
    if (word == "images") return StoreDurability::images;
    if (word == "steps") return StoreDurability::steps;
    throw Error(ErrorKind::usage,
                fmt::format("{}: no mode is called {}", common.durability ? "--durability" : "IMGBUILD_DURABILITY",
                            printable(word)),
                "there are steps, images and none");
}

}  // namespace

std::unique_ptr<layerstore::Store> open_store(const CommonOptions& common) {
    wanted_root_mode(common);  // a word that means nothing is told, whatever the command does with it
    return layerstore::Store::open(store_path(common), wanted_durability(common));
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
    const auto same =
        std::ranges::find_if(names, [&](const std::string& other) { return other.starts_with(name + ":"); });
    std::string hint = "`imgbuild images` lists what is there";
    if (same != names.end())
        hint = fmt::format("there is {}", *same);
    else if (near)
        hint = fmt::format("did you mean {}?", *near);
    throw Error(ErrorKind::not_found, fmt::format("{}: no such image in the store", printable(name)), hint);
}

void add_platform(OptionSet& options, std::optional<std::string>& platform) {
    options.value("--platform", platform, "PLATFORM", "which image of an index (else this machine's, or the first)");
}

layerstore::Image read_one_image(layerstore::Store& store, const layerstore::Descriptor& descriptor,
                                 const std::optional<std::string>& platform, const std::string& what) {
    using layerstore::Platform;
    const Platform host = Platform::host();
    if (platform) {
        const Platform wanted = with_context("--platform", [&] { return Platform::parse(*platform); });
        layerstore::Image image = store.read_image(descriptor, wanted, what);
        const std::string& found = image.config.platform.architecture;
        if (!found.empty() && image.config.platform.normalised().architecture != wanted.architecture)
            throw Error(ErrorKind::not_found, fmt::format("{}: the image is for {} and not for {}", printable(what),
                                                          printable(image.config.platform.text()), wanted.text()));
        return image;
    }
    std::vector<layerstore::Image> images = store.read_images(descriptor, host, what);
    if (images.empty()) throw Error(ErrorKind::not_found, printable(what) + ": an index without images");
    const auto native = std::ranges::find_if(images, [&](const layerstore::Image& image) {
        return image.config.platform.normalised().architecture == host.architecture;
    });
    return std::move(native == images.end() ? images.front() : *native);
}

std::optional<OpenedImage> open_image(const std::string& command, std::string summary, Arguments arguments) {
    OptionSet options(command + " [--platform PLATFORM] NAME", std::move(summary));
    CommonOptions common;
    std::optional<std::string> name, platform;
    options.positional("NAME", name);
    add_platform(options, platform);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return std::nullopt;
    std::unique_ptr<layerstore::Store> store = open_store(common);
    layerstore::NamedImage image = require_image(*store, *name);
    return OpenedImage{*std::move(name), std::move(store), std::move(image), std::move(platform)};
}

}  // namespace imgbuild::cli
