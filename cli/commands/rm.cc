// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"

namespace imgbuild::cli {

int run_rm(Arguments arguments) {
    OptionSet options("rm NAME…", "Takes names out of the store; by digest, an image with all its names");
    CommonOptions common;
    std::vector<std::string> names;
    options.positionals("NAME", names);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    // All or nothing: a name that is not there is found before anything goes.
    for (const std::string& name : names) require_image(*store, name);
    for (const std::string& name : names) store->untag(name);
    return exit_status::ok;
}

}  // namespace imgbuild::cli
