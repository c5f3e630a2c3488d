// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>

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

// Images under several names that are the same stand in the archive once, under all of them.
void add_archived(std::vector<layerstore::ArchivedImage>& images, layerstore::ArchivedImage image) {
    const auto same = std::ranges::find_if(images, [&](const layerstore::ArchivedImage& other) {
        return other.root.digest == image.root.digest && !other.names.empty() && !image.names.empty();
    });
    if (same == images.end())
        images.push_back(std::move(image));
    else
        same->names.insert(same->names.end(), image.names.begin(), image.names.end());
}

layerstore::ArchivedImage archived_image(layerstore::Store& store, const std::string& name,
                                         layerstore::ArchiveFormat format, const std::optional<std::string>& platform) {
    const layerstore::NamedImage named = require_image(store, name);
    layerstore::ArchivedImage archived{.root = named.descriptor, .names = {}, .loadable = {}};
    if (!named.name.empty()) archived.names = {named.name};
    const bool is_docker = format == layerstore::ArchiveFormat::docker;
    if (!is_docker && layerstore::is_index(named.descriptor.media_type) && !platform) return archived;
    layerstore::Image image = read_one_image(store, named.descriptor, platform, name);
    archived.root = builder::listed_descriptor(image);
    if (is_docker) archived.loadable = std::move(image);
    return archived;
}

}  // namespace

int run_save(Arguments arguments) {
    OptionSet options("save [flags] NAME…", "Writes images as one archive that podman, docker and skopeo read");
    CommonOptions common;
    std::optional<std::string> output, format, platform;
    std::vector<std::string> names;
    options.positionals("NAME", names);
    options.value("-o,--output", output, "FILE", "else standard output");
    options.value("--format", format, "FORMAT",
                  "docker (with manifest.json, one image of an index; the default) or oci (an index as it is)");
    add_platform(options, platform);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const layerstore::ArchiveFormat wanted = archive_format(format.value_or("docker"));
    if (!output && ::isatty(STDOUT_FILENO) == 1)
        throw Error(ErrorKind::usage, "save: standard output is a terminal", "name a file with -o");

    const std::unique_ptr<layerstore::Store> store = open_store(common);
    // Nothing is noted in a store that cannot be written; its blobs are checked as they are read.
    const auto lease = store->is_writable() ? store->lease() : nullptr;
    std::vector<layerstore::ArchivedImage> images;
    for (const std::string& name : names) add_archived(images, archived_image(*store, name, wanted, platform));
    builder::write_image_archive(images, store->blobs(), output.value_or("-"));
    return exit_status::ok;
}

}  // namespace imgbuild::cli
