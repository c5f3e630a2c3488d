// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/json.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/table.h"
#include "cli/common/terminal.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {
namespace {

struct Row {
    std::string name;  ///< empty without one
    Digest digest;
    std::uint64_t size = 0;  ///< bytes of configs and layers, what images of an index share once
    std::string created;
    std::vector<std::string> platforms;
    std::string fault;  ///< why the image cannot be read; size and created are then unknown
};

// One broken image must not hide the others: it is a row that says so.
Row row_of(layerstore::Store& store, const layerstore::NamedImage& named) {
    Row row{.name = named.name.empty() ? "" : layerstore::Reference::parse(named.name).familiar(),
            .digest = named.descriptor.digest,
            .size = 0,
            .created = {},
            .platforms = {},
            .fault = {}};
    try {
        const auto images = store.read_images(named.descriptor, layerstore::Platform::host(), row.digest.text());
        std::map<Digest, std::uint64_t> sizes;
        for (const layerstore::Image& image : images) {
            sizes.emplace(image.manifest.config.digest, image.manifest.config.size);
            for (const layerstore::Descriptor& layer : image.manifest.layers) sizes.emplace(layer.digest, layer.size);
            row.platforms.push_back(image.config.platform.text());
            row.created = std::max(row.created, image.config.created);
        }
        for (const auto& [digest, size] : sizes) row.size += size;
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::interrupted) throw;
        row.fault = error.message();
    }
    return row;
}

std::string as_json(const std::vector<Row>& rows) {
    Json list = Json::array();
    for (const Row& row : rows) {
        Json object{{"name", row.name},
                    {"digest", row.digest.text()},
                    {"size", row.size},
                    {"created", row.created},
                    {"platforms", row.platforms}};
        if (!row.fault.empty()) object["error"] = row.fault;
        list.push_back(std::move(object));
    }
    return write_json_indented(list) + "\n";
}

std::string as_table(const std::vector<Row>& rows) {
    Table table({"NAME", "DIGEST", "SIZE", "CREATED"});
    for (const Row& row : rows) {
        const bool is_whole = row.fault.empty();
        table.add({row.name.empty() ? "<none>" : row.name, row.digest.short_hex(),
                   is_whole ? human_size(row.size) : "?", is_whole ? row.created : "unreadable: " + row.fault});
    }
    return table.text();
}

}  // namespace

int run_images(Arguments arguments) {
    OptionSet options("images [flags]", "Lists the images of the store");
    CommonOptions common;
    bool json = false, quiet = false;
    options.flag("--json", json, "a JSON array");
    options.flag("-q,--quiet", quiet, "digests only, each once");
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    const std::vector<layerstore::NamedImage> images = store->images();
    if (quiet) {
        std::vector<Digest> digests;
        for (const layerstore::NamedImage& image : images) {
            if (std::ranges::find(digests, image.descriptor.digest) != digests.end()) continue;
            digests.push_back(image.descriptor.digest);
            print(image.descriptor.digest.text() + "\n");
        }
        return exit_status::ok;
    }
    std::vector<Row> rows;
    for (const layerstore::NamedImage& image : images) rows.push_back(row_of(*store, image));
    print(json ? as_json(rows) : as_table(rows));
    return exit_status::ok;
}

}  // namespace imgbuild::cli
