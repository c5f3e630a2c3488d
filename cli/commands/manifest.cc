// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {

int run_manifest(Arguments arguments) {
    OptionSet options("manifest NAME", "Prints the bytes of an image's manifest, or index, as they are");
    CommonOptions common;
    std::optional<std::string> name;
    options.positional("NAME", name);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    const layerstore::NamedImage image = require_image(*store, *name);
    print(store->blobs().read(image.descriptor.digest, layerstore::max_manifest_bytes, *name));
    return exit_status::ok;
}

}  // namespace imgbuild::cli
