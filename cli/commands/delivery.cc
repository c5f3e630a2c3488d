// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/delivery.h"

#include <algorithm>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "builder/image/image_assembly.h"
#include "builder/image/output.h"

namespace imgbuild::cli {
namespace {

using Kind = OutputOption::Kind;

bool wants_image(const BuildOptions& options) { return std::ranges::any_of(options.outputs, &OutputOption::is_image); }

std::vector<std::string> names_of(const BuildOptions& options, const OutputOption& output) {
    std::vector<std::string> names = options.names;
    for (const std::string& name : output.names)
        if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    return names;
}

void deliver_one(const OutputOption& output, const std::vector<std::string>& names, const layerstore::Image* image,
                 const builder::SolvedImage& solved, layerstore::Store& store) {
    const std::string& place = output.destination;
    switch (output.kind) {
        case Kind::store: return store.tag(names, image->descriptor);
        case Kind::oci_layout: return builder::write_layout(*image, names, store.blobs(), place);
        case Kind::oci_archive:
            return builder::write_image_archive(*image, names, store.blobs(), layerstore::ArchiveFormat::oci, place);
        case Kind::docker_archive:
            return builder::write_image_archive(*image, names, store.blobs(), layerstore::ArchiveFormat::docker, place);
        case Kind::directory: return builder::write_tree_directory(solved.tree, *solved.contents, place);
        case Kind::tar: return builder::write_tree_archive(solved.tree, *solved.contents, place);
        case Kind::nothing: return;
    }
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

void write_file(const std::string& path, std::string_view content) {
    const Directory folder = Directory::open_host(folder_of(path));
    write_file_atomically(folder, path.substr(path.rfind('/') + 1), content, Durability::none);
}

// The members that buildx writes, spelt as there.
std::string metadata_of(const BuildOptions& options, const layerstore::Image& image) {
    std::vector<std::string> names = options.names;
    for (const OutputOption& output : options.outputs)
        for (const std::string& name : output.names)
            if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    Json document{
        {"containerimage.config.digest", image.manifest.config.digest.text()},
        {"containerimage.descriptor", image.descriptor.to_json()},
        {"containerimage.digest", image.descriptor.digest.text()},
    };
    if (!names.empty()) document["image.name"] = join(names, ",");
    return write_json_indented(document) + "\n";
}

}  // namespace

builder::SolveGoal goal_of(const BuildOptions& options) {
    builder::SolveGoal goal;
    goal.layers = goal.blobs = wants_image(options);
    goal.files = std::ranges::any_of(options.outputs, &OutputOption::is_file_tree);
    return goal;
}

std::optional<layerstore::Image> make_image(const BuildOptions& options, const builder::BuildPlan& plan,
                                            const builder::SolvedImage& solved, layerstore::Store& store) {
    if (!wants_image(options)) return std::nullopt;
    const layerstore::Image image = builder::assemble_image({.config = plan.image.config,
                                                             .base_history = plan.image.base_history,
                                                             .layers = solved.layers,
                                                             .base_layers = solved.base_layers,
                                                             .created = options.file_time,
                                                             .annotations = options.annotations,
                                                             .oci_media_types = options.solve.oci_media_types});
    builder::write_documents(image, store.blobs());
    return image;
}

void deliver(const BuildOptions& options, const layerstore::Image* image, const builder::SolvedImage& solved,
             layerstore::Store& store) {
    for (const OutputOption& output : options.outputs)
        deliver_one(output, names_of(options, output), image, solved, store);
}

void clear_report(const BuildOptions& options) {
    if (!options.iidfile) return;
    std::error_code error;
    std::filesystem::remove(*options.iidfile, error);
    if (error) throw_errno("remove", *options.iidfile, error.value());
}

void write_report(const BuildOptions& options, const layerstore::Image* image) {
    if (options.iidfile && image) write_file(*options.iidfile, image->descriptor.digest.text());
    if (options.metadata_file) write_file(*options.metadata_file, image ? metadata_of(options, *image) : "{}\n");
}

}  // namespace imgbuild::cli
