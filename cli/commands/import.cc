// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/compression.h"
#include "base/task_pool.h"
#include "base/text.h"
#include "builder/image/image_assembly.h"
#include "builder/remote/spooled_files.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/input.h"
#include "cli/common/terminal.h"
#include "layerstore/image/reference.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/layer/packing.h"

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

}  // namespace

int run_import(Arguments arguments) {
    OptionSet options("import TAR NAME",
                      "Makes an image of a root file system's tar, compressed or not (- is standard input)");
    CommonOptions common;
    std::optional<std::string> tar, name;
    options.positional("TAR", tar);
    options.positional("NAME", name);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::string full_name = layerstore::Reference::parse(*name).full();
    Input input = open_input(*tar);
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    const auto lease = store->lease();

    builder::AssemblyRequest request;
    request.layers.push_back(import_layer(input, *store));
    lease->add(request.layers.front().blob.digest);
    request.config.platform = layerstore::Platform::host();
    // One entry for the one layer: tools count them against each other.
    request.config.history.push_back(layerstore::HistoryEntry{{}, "imgbuild import", {}, {}, false});
    request.created = layerstore::default_file_time;
    const layerstore::Image image = builder::assemble_image(request);
    builder::write_documents(image, store->blobs());
    store->tag({full_name}, image.descriptor);
    print(image.descriptor.digest.text() + "\n");
    return exit_status::ok;
}

}  // namespace imgbuild::cli
