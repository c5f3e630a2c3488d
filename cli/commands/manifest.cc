// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/commands/manifest_commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {
namespace {

constexpr std::array manifest_commands{
    Command{"create", "", "Begins a list, an index of images that exist", run_manifest_create},
    Command{"add", "", "Adds images to a list", run_manifest_add},
    Command{"annotate", "", "Says something of an image in a list, or of the list", run_manifest_annotate},
    Command{"remove", "", "Takes images out of a list", run_manifest_remove},
    Command{"push", "", "Puts a list, and what it needs, into a registry", run_manifest_push},
    Command{"inspect", "", "Prints a list, or the manifest of an image here or at its registry", run_manifest_inspect},
    Command{"exists", "", "Ends with status 0 where there is such a list, else with 1", run_manifest_exists},
    Command{"rm", "", "Takes lists out of the store", run_manifest_rm},
};

std::string list_help() {
    std::string text =
        "Puts images together to an index, as docker manifest and buildah manifest do\n\n"
        "usage: imgbuild manifest COMMAND …\n       imgbuild manifest [--platform PLATFORM] NAME\n\n";
    for (const Command& command : manifest_commands) text += fmt::format("  {:10} {}\n", command.name, command.summary);
    return text + "\nWith a NAME alone it prints the bytes of that image's manifest as they are.\n";
}

int print_manifest(Arguments arguments) {
    const auto opened = open_image(
        "manifest", "Prints the bytes of an image's manifest as they are; of an index, without --platform, its own",
        arguments);
    if (!opened) return exit_status::ok;
    print(opened->platform ? opened->read().manifest_bytes
                           : opened->store->blobs().read(opened->image.descriptor.digest,
                                                         layerstore::max_manifest_bytes, opened->name));
    return exit_status::ok;
}

// Behind options of the program, which may stand before it.
std::size_t first_word(Arguments arguments) {
    std::size_t at = 0;
    while (at < arguments.size() && arguments[at].starts_with('-'))
        at += arguments[at] == "--store" || arguments[at] == "--root-mode" ? 2 : 1;
    return at;
}

}  // namespace

int run_manifest(Arguments arguments) {
    if (const std::size_t at = first_word(arguments); at < arguments.size()) {
        const auto command = std::ranges::find(manifest_commands, std::string_view(arguments[at]), &Command::name);
        if (command != manifest_commands.end()) {
            std::vector<std::string> rest(arguments.begin(), arguments.end());
            rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(at));
            return command->run(rest);
        }
    }
    const bool wants_help = arguments.size() == 1 && (arguments[0] == "--help" || arguments[0] == "-h");
    if (!wants_help) return print_manifest(arguments);
    print(list_help());
    return exit_status::ok;
}

}  // namespace imgbuild::cli
