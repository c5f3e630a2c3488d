// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "base/error.h"
#include "builder/image/output.h"
#include "cli/commands/commands.h"
#include "cli/commands/image_tree.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {

int run_export(Arguments arguments) {
    OptionSet options("export [flags] NAME", "Writes the files of an image, all layers merged, as a tar");
    CommonOptions common;
    std::optional<std::string> name, output, platform;
    options.positional("NAME", name);
    options.value("-o,--output", output, "FILE", "else standard output");
    add_platform(options, platform);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    if (!output && ::isatty(STDOUT_FILENO) == 1)
        throw Error(ErrorKind::usage, "export: standard output is a terminal", "name a file with -o");

    const std::unique_ptr<layerstore::Store> store = open_store(common);
    ImageSources sources(*store, platform);
    const builder::SolvedImage image = sources.read(sources.find(*name), {.files = true});
    builder::write_tree_archive(image.tree, *image.contents, output.value_or("-"));
    return exit_status::ok;
}

}  // namespace imgbuild::cli
