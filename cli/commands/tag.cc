// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {

int run_tag(Arguments arguments) {
    OptionSet options("tag SOURCE NAME…", "Gives an image of the store more names");
    CommonOptions common;
    std::optional<std::string> source;
    std::vector<std::string> names;
    options.positional("SOURCE", source);
    options.positionals("NAME", names);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    for (std::string& name : names) name = layerstore::Reference::parse(name).full();
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    store->tag(names, require_image(*store, *source).descriptor);
    return exit_status::ok;
}

}  // namespace imgbuild::cli
