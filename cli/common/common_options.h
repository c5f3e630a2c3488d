// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every command that touches the store takes.

#include <memory>
#include <optional>
#include <string>

#include "builder/sandbox/probe.h"
#include "cli/common/option_set.h"
#include "layerstore/store/store.h"

namespace imgbuild::cli {

struct CommonOptions {
    std::optional<std::string> store;
    std::optional<std::string> root_mode;
    std::optional<std::string> durability;
    bool debug = false;
};

/// What a command does, and thus which of the common options change anything for it.
enum class CommonScope {
    nothing,  ///< looks at what it is given
    store,    ///< reads or changes the store
    sandbox,  ///< runs commands as well
};

/// Declares --store, --durability, --root-mode and --debug. All are accepted everywhere, because they may stand before
/// any command; the help tells those that change something.
void add_common(OptionSet& options, CommonOptions& common, CommonScope scope = CommonScope::store);

/// Reads `arguments`; false when they ask for help, which was then printed.
bool parse_or_help(OptionSet& options, Arguments arguments);

/// The store that --store names, else Store::default_path(), opened as --durability, else IMGBUILD_DURABILITY says.
std::unique_ptr<layerstore::Store> open_store(const CommonOptions& common);
std::string store_path(const CommonOptions& common);

/// --root-mode; empty for "auto" and where it was not given. Error{usage} for another word.
std::optional<builder::RootMode> wanted_root_mode(const CommonOptions& common);

/// The image called `name`; Error{not_found} with the nearest name of the store.
layerstore::NamedImage require_image(layerstore::Store& store, const std::string& name);

/// --platform of a command that looks at one image of several; empty where it was not given.
void add_platform(OptionSet& options, std::optional<std::string>& platform);
/// Of an index the image for `platform`, else that for this machine, else the first one. Error{not_found} where there is
/// none for `platform`.
layerstore::Image read_one_image(layerstore::Store& store, const layerstore::Descriptor& descriptor,
                                 const std::optional<std::string>& platform, const std::string& what);

/// The image that a command looks at, in its store.
struct OpenedImage {
    std::string name;  ///< as the user wrote it
    std::unique_ptr<layerstore::Store> store;
    layerstore::NamedImage image;
    std::optional<std::string> platform;  ///< --platform

    /// As read_one_image().
    layerstore::Image read() const { return read_one_image(*store, image.descriptor, platform, name); }
};

/// Reads the arguments of a command that takes NAME and --platform alone, and finds the image. Empty when they ask for
/// help, which was then printed.
std::optional<OpenedImage> open_image(const std::string& command, std::string summary, Arguments arguments);

}  // namespace imgbuild::cli
