// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/delivery.h"

#include <algorithm>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "builder/attest/statement.h"
#include "builder/exchange/cache_records.h"
#include "builder/image/image_assembly.h"
#include "builder/image/output.h"
#include "builder/scrub/scrub.h"
#include "cli/commands/loading.h"
#include "cli/commands/pushing.h"
#include "cli/commands/result_files.h"

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

std::vector<std::string> all_names(const BuildOptions& options) {
    std::vector<std::string> names = options.names;
    for (const OutputOption& output : options.outputs)
        for (const std::string& name : output.names)
            if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    return names;
}

void write_layout(const Product& product, const std::vector<std::string>& names, layerstore::Store& store,
                  const std::string& place) {
    if (product.index)
        builder::write_layout(*product.index, names, store.blobs(), place);
    else
        builder::write_layout(product.images.front(), names, store.blobs(), place);
}

void write_archive(const Product& product, const std::vector<std::string>& names, layerstore::Store& store,
                   layerstore::ArchiveFormat format, const std::string& place) {
    const bool is_docker = format == layerstore::ArchiveFormat::docker;
    if (product.index)
        builder::write_image_archive(*product.index, names, store.blobs(), place,
                                     is_docker ? &product.images.front() : nullptr);
    else
        builder::write_image_archive(product.images.front(), names, store.blobs(), format, place);
}

void deliver_one(const OutputOption& output, const std::vector<std::string>& names, const Product& product,
                 const std::function<ResultFiles()>& result, layerstore::Store& store) {
    using layerstore::ArchiveFormat;
    const std::string& place = output.destination;
    switch (output.kind) {
        case Kind::store:
        case Kind::engine:
            if (output.keep)
                store.tag(output.is_in_store() ? names : std::vector<std::string>{}, *product.descriptor());
            return;
        case Kind::registry: return;  // pushed with those that are pushed besides
        case Kind::oci_layout: return write_layout(product, names, store, place);
        case Kind::oci_archive: return write_archive(product, names, store, ArchiveFormat::oci, place);
        case Kind::docker_archive: return write_archive(product, names, store, ArchiveFormat::docker, place);
        case Kind::directory: {
            const ResultFiles files = result();
            return builder::write_tree_directory(
                files.tree, *files.contents, place,
                output.deletes_others ? builder::OtherFiles::remove : builder::OtherFiles::keep);
        }
        case Kind::tar: {
            const ResultFiles files = result();
            return builder::write_tree_archive(files.tree, *files.contents, place);
        }
        case Kind::nothing: return;
    }
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

// The members that buildx writes, spelt as there.
std::string metadata_of(const BuildOptions& options, const Product& product) {
    const std::vector<std::string> names = all_names(options);
    Json document = Json::object();
    if (!product.index) document["containerimage.config.digest"] = product.images.front().manifest.config.digest.text();
    document["containerimage.descriptor"] = product.descriptor()->to_json();
    document["containerimage.digest"] = product.descriptor()->digest.text();
    if (!names.empty()) document["image.name"] = join(names, ",");
    return write_json_indented(document) + "\n";
}

// What a rebuild has to ask for again; usual images say nothing.
std::map<std::string, std::string> manifest_annotations(const BuildOptions& options,
                                                        const layerstore::Platform& platform) {
    std::map<std::string, std::string> annotations =
        annotations_of(options.annotations, Annotation::Place::manifest, platform);
    if (!options.solve.oci_media_types) return annotations;
    const std::string times = builder::StepTimes{options.solve.timestamps, options.file_time}.text();
    if (!times.empty()) annotations.insert_or_assign("io.imgbuild.timestamps", times);
    if (options.solve.scrub) annotations.insert_or_assign("io.imgbuild.repro", std::string(builder::scrub_version));
    return annotations;
}

std::pair<std::string, std::string> inline_member(const builder::SolvedImage& image) {
    if (image.inline_cache.empty()) return {};
    return {std::string(builder::inline_cache_member), image.inline_cache};
}

}  // namespace

builder::SolveGoal goal_of(const BuildOptions& options) {
    builder::SolveGoal goal;
    goal.layers = wants_image(options);
    goal.blobs = std::ranges::any_of(options.outputs, &OutputOption::needs_blobs);
    goal.files = std::ranges::any_of(options.outputs, &OutputOption::is_file_tree);
    return goal;
}

const layerstore::Descriptor* Product::descriptor() const noexcept {
    if (index) return &*index;
    return images.empty() ? nullptr : &images.front().descriptor;
}

Product make_product(const BuildOptions& options, const builder::BuildPlan& plan, const builder::Solved& solved,
                     const Attestations& attestations, layerstore::Store& store) {
    using Place = Annotation::Place;
    Product product;
    if (!wants_image(options)) return product;
    std::vector<layerstore::Descriptor> manifests, statements;
    const auto image_output = std::ranges::find_if(options.outputs, &OutputOption::is_image);
    const auto form = image_output->oci_artifact ? builder::AttestationForm::artifact : builder::AttestationForm::image;
    for (std::size_t i = 0; i < plan.images.size(); ++i) {
        const builder::PlannedImage& planned = plan.images[i];
        layerstore::Image image =
            builder::assemble_image({.config = planned.config,
                                     .base_history = planned.base_history,
                                     .layers = solved.images[i].layers,
                                     .base_layers = solved.images[i].base_layers,
                                     .created = options.file_time,
                                     .annotations = manifest_annotations(options, planned.platform),
                                     .format = options.solve.packing.format,
                                     .oci_media_types = options.solve.oci_media_types,
                                     .extra_member = inline_member(solved.images[i])});
        image.descriptor.annotations =
            annotations_of(options.annotations, Place::manifest_descriptor, planned.platform);
        builder::write_documents(image, store.blobs());
        manifests.push_back(image.descriptor);
        manifests.back().platform = planned.platform;
        if (const auto about = attestations.of_image(i, image, all_names(options)); !about.empty())
            statements.push_back(builder::put_attestations(image.descriptor, about, form, store.blobs()));
        product.images.push_back(std::move(image));
    }
    if (!options.makes_index()) return product;
    manifests.insert(manifests.end(), statements.begin(), statements.end());
    const builder::AssembledIndex index = builder::assemble_index(
        manifests, annotations_of(options.annotations, Place::index), options.solve.oci_media_types);
    store.blobs().put(index.bytes);
    product.index = index.descriptor;
    product.index->annotations = annotations_of(options.annotations, Place::index_descriptor);
    return product;
}

void deliver(const BuildOptions& options, const Product& product, const builder::BuildPlan& plan,
             const builder::Solved& solved, const Attestations& attestations, layerstore::Store& store) {
    const bool quiet = options.progress == ProgressMode::quiet || options.progress == ProgressMode::rawjson;
    for (const OutputOption& output : options.outputs) {
        const std::vector<std::string> names = names_of(options, output);
        deliver_one(
            output, names, product, [&] { return result_files(options, output, plan, solved, attestations); }, store);
        if (output.kind == Kind::engine) load_into_engine(store, product.images, names, output.context, quiet);
        if (output.push)
            push({.store = store,
                  .root = *product.descriptor(),
                  .names = names,
                  .plan = &plan,
                  .by_digest = output.push_by_digest,
                  .quiet = quiet});
    }
}

std::vector<std::string> stored_names(const BuildOptions& options) {
    std::vector<std::string> names;
    for (const OutputOption& output : options.outputs)
        if (output.is_in_store())
            for (const std::string& name : names_of(options, output))
                if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    return names;
}

void write_host_file(const std::string& path, std::string_view content) {
    const Directory folder = Directory::open_host(folder_of(path));
    write_file_atomically(folder, path.substr(path.rfind('/') + 1), content, Durability::none);
}

void clear_report(const BuildOptions& options) {
    if (!options.iidfile) return;
    std::error_code error;
    std::filesystem::remove(*options.iidfile, error);
    if (error) throw_errno("remove", *options.iidfile, error.value());
}

void write_report(const BuildOptions& options, const Product& product) {
    const bool is_image = product.descriptor() != nullptr;
    if (options.iidfile && is_image) write_host_file(*options.iidfile, product.descriptor()->digest.text());
    if (options.metadata_file)
        write_host_file(*options.metadata_file, is_image ? metadata_of(options, product) : "{}\n");
}

}  // namespace imgbuild::cli
