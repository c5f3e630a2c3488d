// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/input.h"
#include "cli/common/terminal.h"
#include "layerstore/image/archive.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {

int run_load(Arguments arguments) {
    OptionSet options("load [-i FILE]", "Takes the images of an archive into the store");
    CommonOptions common;
    std::optional<std::string> file;
    options.value("-i,--input", file, "FILE", "else standard input");
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    if (!file && ::isatty(STDIN_FILENO) == 1)
        throw Error(ErrorKind::usage, "load: standard input is a terminal", "name a file with -i");

    const Input input = open_input(file.value_or("-"));
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    const auto images =
        layerstore::read_archive(*input.reader, store->blobs(), layerstore::Platform::host(), input.name);
    for (const layerstore::LoadedImage& loaded : images) {
        store->tag(loaded.names, loaded.root);
        const std::string digest = loaded.root.digest.text();
        for (const std::string& name : loaded.names)
            print(fmt::format("{} {}\n", printable(layerstore::Reference::parse(name).familiar()), digest));
        if (loaded.names.empty()) print(digest + "\n");
    }
    return exit_status::ok;
}

}  // namespace imgbuild::cli
