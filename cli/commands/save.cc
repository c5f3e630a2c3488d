// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <fmt/format.h>

#include "base/text.h"
#include "builder/image/output.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"

namespace imgbuild::cli {
namespace {

layerstore::ArchiveFormat archive_format(const std::string& word) {
    if (word == "docker") return layerstore::ArchiveFormat::docker;
    if (word == "oci") return layerstore::ArchiveFormat::oci;
    throw Error(ErrorKind::usage, fmt::format("--format: no format is called {}", printable(word)),
                "there are docker and oci");
}

}  // namespace

int run_save(Arguments arguments) {
    OptionSet options("save [flags] NAME", "Writes an image as an archive that podman, docker and skopeo read");
    CommonOptions common;
    std::optional<std::string> name, output, format, platform;
    options.positional("NAME", name);
    options.value("-o,--output", output, "FILE", "else standard output");
    options.value("--format", format, "FORMAT", "docker (with manifest.json, one image; the default) or oci");
    add_platform(options, platform);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const layerstore::ArchiveFormat wanted = archive_format(format.value_or("docker"));
    if (!output && ::isatty(STDOUT_FILENO) == 1)
        throw Error(ErrorKind::usage, "save: standard output is a terminal", "name a file with -o");

    const std::unique_ptr<layerstore::Store> store = open_store(common);
    // Nothing is noted in a store that cannot be written; its blobs are checked as they are read.
    const auto lease = store->is_writable() ? store->lease() : nullptr;
    const layerstore::NamedImage named = require_image(*store, *name);
    const std::vector<std::string> names = named.name.empty() ? std::vector<std::string>{} : std::vector{named.name};
    const std::string place = output.value_or("-");
    if (wanted == layerstore::ArchiveFormat::oci && layerstore::is_index(named.descriptor.media_type) && !platform) {
        builder::write_image_archive(named.descriptor, names, store->blobs(), place);
    } else {
        const layerstore::Image image = read_one_image(*store, named.descriptor, platform, *name);
        builder::write_image_archive(image, names, store->blobs(), wanted, place);
    }
    return exit_status::ok;
}

}  // namespace imgbuild::cli
