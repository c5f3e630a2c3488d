// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/compression.h"
#include "base/task_pool.h"
#include "base/text.h"
#include "builder/image/image_assembly.h"
#include "builder/plan/planner.h"
#include "builder/remote/spooled_files.h"
#include "builder/resolve/image_finder.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/input.h"
#include "cli/common/option_values.h"
#include "cli/common/terminal.h"
#include "layerstore/image/reference.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/layer/packing.h"
#include "parser/buildfile/buildfile.h"

namespace imgbuild::cli {
namespace {

// The archive as one layer of ours: read strictly, written canonically.
builder::FinishedLayer import_layer(Input& input, layerstore::Store& store) {
    const auto spool = std::make_shared<builder::SpooledFiles>(store.pending(), input.name);
    const auto keep = [&](std::string_view, std::span<const std::byte> bytes, const Digest* whole) {
        if (whole)
            spool->end_file(*whole);
        else
            spool->append(bytes);
    };
    const std::unique_ptr<ByteReader> tar = make_detecting_decompressor(*input.reader, input.name);
    const layerstore::TreeDelta delta = layerstore::read_layer(*tar, layerstore::Tree(), input.name, keep);
    layerstore::ContentSources contents;
    contents.add(spool);

    const layerstore::PackOptions packing;
    TaskPool pool(available_processors());
    const auto blob = store.blobs().begin();
    const layerstore::PackedLayer packed = layerstore::pack_layer(delta, contents, packing, pool, *blob);
    const Digest digest = blob->commit();
    layerstore::Descriptor descriptor;
    descriptor.media_type = layerstore::oci_layer_type(packing.compression);
    descriptor.digest = digest;
    descriptor.size = blob->size();
    return {descriptor, packed.diff_id};
}

constexpr std::array<std::string_view, 11> changing{"CMD",     "ENTRYPOINT", "ENV",  "EXPOSE", "HEALTHCHECK", "LABEL",
                                                    "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"};

// What a Buildfile of instructions about an image says of it: no step of it is done.
layerstore::ImageConfig planned_config(const parser::Buildfile& buildfile, const parser::Source& source,
                                       layerstore::Store& store, const layerstore::Platform& platform) {
    const auto resolver = builder::make_image_finder(store, builder::PullPolicy::never, true);
    builder::PlanRequest request{.buildfile = buildfile, .resolver = *resolver};
    request.platform = request.build_platform = platform;
    const builder::PlanResult planned = builder::make_plan(request);
    if (!planned.plan) throw Error(ErrorKind::usage, "--change: no instruction", planned.diagnostics.render(source));
    return planned.plan->images.front().config;
}

// Error{usage} for instructions that do something.
void check_changes(const parser::Buildfile& buildfile) {
    const bool is_one_stage = buildfile.stages.size() == 1;
    for (const parser::Instruction& instruction : buildfile.stages.front().instructions) {
        const std::string_view keyword = parser::canonical_keyword(instruction.body);
        if (std::ranges::find(changing, keyword) == changing.end() || !is_one_stage)
            refuse_value("--change", instruction.text, "does not say something of an image",
                         "there are CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, "
                         "VOLUME and WORKDIR");
    }
}

layerstore::ImageConfig config_of_changes(const std::vector<std::string>& changes, layerstore::Store& store,
                                          const layerstore::Platform& platform) {
    if (changes.empty()) return {};
    const parser::Source source("--change", "FROM scratch\n" + join(changes, "\n") + "\n");
    const parser::ParseResult parsed = parser::parse_buildfile(source);
    if (!parsed.ok()) throw Error(ErrorKind::usage, "--change: no instruction", parsed.diagnostics.render(source));
    check_changes(parsed.buildfile);
    layerstore::ImageConfig config = planned_config(parsed.buildfile, source, store, platform);
    // What every build on nothing says is not said of files from elsewhere.
    const parser::Source nothing("--change", "FROM scratch\n");
    const auto usual = planned_config(parser::parse_buildfile(nothing).buildfile, nothing, store, platform);
    for (const std::string& variable : usual.environment) std::erase(config.environment, variable);
    const bool has_folder = std::ranges::any_of(
        parsed.buildfile.stages.front().instructions,
        [](const auto& instruction) { return parser::canonical_keyword(instruction.body) == "WORKDIR"; });
    if (!has_folder) config.working_directory.clear();
    for (layerstore::HistoryEntry& entry : config.history) entry.empty_layer = true;
    return config;
}

}  // namespace

int run_import(Arguments arguments) {
    OptionSet options("import [flags] TAR NAME",
                      "Makes an image of a root file system's tar, compressed or not (- is standard input)");
    CommonOptions common;
    std::optional<std::string> tar, name, message, platform_text;
    std::vector<std::string> changes;
    options.list("-c,--change", changes, "INSTRUCTION", "what the image says besides, as in 'CMD [\"/bin/sh\"]'");
    options.value("-m,--message", message, "TEXT", "of the image's history");
    options.value("--platform", platform_text, "PLATFORM", "that the files are for (else this machine's)");
    options.positional("TAR", tar);
    options.positional("NAME", name);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::string full_name = layerstore::Reference::parse(*name).full();
    const layerstore::Platform platform =
        platform_text ? with_context("--platform", [&] { return layerstore::Platform::parse(*platform_text); })
                      : layerstore::Platform::host();
    Input input = open_input(*tar);
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    const auto lease = store->lease();

    builder::AssemblyRequest request;
    request.config = config_of_changes(changes, *store, platform);
    request.layers.push_back(import_layer(input, *store));
    lease->add(request.layers.front().blob.digest);
    request.config.platform = platform;
    // One entry for the one layer: tools count them against each other.
    request.config.history.insert(request.config.history.begin(),
                                  layerstore::HistoryEntry{{}, "imgbuild import", message.value_or(""), {}, false});
    request.created = layerstore::default_file_time;
    const layerstore::Image image = builder::assemble_image(request);
    builder::write_documents(image, store->blobs());
    store->tag({full_name}, image.descriptor);
    print(image.descriptor.digest.text() + "\n");
    return exit_status::ok;
}

}  // namespace imgbuild::cli
