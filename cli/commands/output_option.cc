// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/output_option.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/image_path.h"
#include "base/text.h"
#include "cli/common/option_values.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {
namespace {

using Kind = OutputOption::Kind;

constexpr std::string_view flag = "--output";
const std::vector<std::string_view>& known_types() {
    static const std::vector<std::string_view> types{"oci", "docker", "image", "registry", "local", "tar", "cacheonly"};
    return types;
}
const std::vector<std::string_view>& known_keys() {
    static const std::vector<std::string_view> keys{"type",
                                                    "dest",
                                                    "tar",
                                                    "compression",
                                                    "compression-level",
                                                    "force-compression",
                                                    "oci-mediatypes",
                                                    "oci-artifact",
                                                    "platform-split",
                                                    "attestation-prefix",
                                                    "name",
                                                    "push",
                                                    "push-by-digest",
                                                    "name-canonical",
                                                    "source-date-epoch",
                                                    "annotation.",
                                                    "context",
                                                    "mode",
                                                    "registry.insecure",
                                                    "dangling-name-prefix",
                                                    "prefer-nondist-layers",
                                                    "unpack",
                                                    "store"};
    return keys;
}

[[noreturn]] void refuse(std::string message, std::string hint = {}) {
    throw Error(ErrorKind::usage, fmt::format("{}: {}", flag, message), std::move(hint));
}

Kind kind_of(const std::string& type, CsvFields& fields, bool has_destination) {
    const std::optional<bool> tar = take_bool(fields, "tar", flag);
    if (tar && type != "oci" && !(type == "docker" && has_destination))
        refuse("tar= goes with type=oci, and with type=docker where that has a dest=");
    if (type == "oci") return tar.value_or(true) ? Kind::oci_archive : Kind::oci_layout;
    if (type == "docker" && !has_destination) return Kind::engine;
    if (type == "docker") return tar.value_or(true) ? Kind::docker_archive : Kind::oci_layout;
    if (type == "image") return Kind::store;
    if (type == "local") return Kind::directory;
    if (type == "tar") return Kind::tar;
    if (type == "cacheonly") return Kind::nothing;
    if (type == "registry") return Kind::registry;
    const std::optional<std::string> near = nearest(type, known_types());
    refuse(fmt::format("unknown type: {}", printable(type)),
           near ? fmt::format("did you mean {}?", *near)
                : "there are oci, docker, image, registry, local, tar and cacheonly");
}

void read_packing(CsvFields& fields, const std::string& type, OutputOption& output, layerstore::FormatVersion format) {
    if (const std::optional<std::string> word = take(fields, "compression")) {
        const std::optional<Compression> compression = compression_from_name(*word);
        if (*word == "estargz")
            refuse("compression=estargz: not written", "gzip and zstd layers of imgbuild are cut into chunks, too");
        if (!compression)
            refuse(fmt::format("unknown compression: {}", printable(*word)), "there are gzip, zstd and uncompressed");
        output.packing.compression = *compression;
    }
    output.packing.format = format;
    output.packing.level = layerstore::default_level(format, output.packing.compression);
    if (const std::optional<std::string> text = take(fields, "compression-level")) {
        const std::optional<std::uint64_t> level = parse_unsigned(*text);
        // zstd's 0 is its own usual one.
        const bool is_usual = level == 0 && output.packing.compression == Compression::zstd;
        if (!level || *level > 100 ||
            !(is_usual || is_valid_level(output.packing.compression, static_cast<int>(*level))))
            refuse(fmt::format("compression-level={}: no level of {}", printable(*text),
                               name_of(output.packing.compression)),
                   "gzip has 0 to 9, zstd 0 to 22");
        if (!is_usual) output.packing.level = static_cast<int>(*level);
    }
    output.force_compression = take_bool(fields, "force-compression", flag).value_or(false);
    output.oci_media_types = take_bool(fields, "oci-mediatypes", flag).value_or(true);
    if (!output.oci_media_types && type == "oci")
        refuse("oci-mediatypes=false: an OCI layout has OCI's media types", "write type=docker instead");
    output.oci_artifact = take_bool(fields, "oci-artifact", flag).value_or(true);
}

void read_attestation_places(CsvFields& fields, OutputOption& output) {
    output.platform_split = take_bool(fields, "platform-split", flag);
    output.attestation_prefix = take(fields, "attestation-prefix").value_or("");
    if (!is_path_component(output.attestation_prefix + "x"))
        refuse(fmt::format("attestation-prefix={}: no beginning of a file name", printable(output.attestation_prefix)));
}

void read_push(CsvFields& fields, OutputOption& output) {
    const bool is_registry = output.kind == Kind::registry;
    output.push = take_bool(fields, "push", flag).value_or(is_registry);
    if (is_registry && !output.push) refuse("type=registry,push=false: there is nothing left to do");
    if (output.push && !is_registry && output.kind != Kind::store) refuse("push= goes with type=image");
    output.push_by_digest = take_bool(fields, "push-by-digest", flag).value_or(false);
    if (output.push_by_digest && !output.push) refuse("push-by-digest= goes with push=true");
    output.keep = take_bool(fields, "store", flag).value_or(true);
    if (!output.keep && !output.push) refuse("store=false: there is nothing left to do without push=true");
    output.context = take(fields, "context");
    if (output.context && output.kind != Kind::engine) refuse("context= goes with type=docker without a dest=");
}

void read_mode(CsvFields& fields, OutputOption& output) {
    const std::optional<std::string> mode = take(fields, "mode");
    if (!mode) return;
    if (output.kind != Kind::directory) refuse("mode= goes with type=local");
    if (*mode != "copy" && *mode != "delete")
        refuse(fmt::format("mode={}: no such mode", printable(*mode)), "there are copy and delete");
    output.deletes_others = *mode == "delete";
}

// "annotation-index[…].NAME=VALUE" as --annotation has it: "index[…]:NAME=VALUE".
void read_annotations(CsvFields& fields, OutputOption& output) {
    constexpr std::string_view prefix = "annotation";
    for (auto field = fields.values.begin(); field != fields.values.end();) {
        const std::string key = field->first;
        const std::size_t bracket = key.find('[');
        const std::size_t dot = key.find('.', bracket == std::string::npos ? 0 : key.find(']'));
        if (!key.starts_with(prefix) || dot == std::string::npos ||
            (key[prefix.size()] != '.' && key[prefix.size()] != '-' && key[prefix.size()] != '[')) {
            ++field;
            continue;
        }
        if (!output.is_image()) refuse(fmt::format("{}= goes with images", printable(key)));
        std::string type = key.substr(prefix.size(), dot - prefix.size());
        if (type.starts_with('-')) type.erase(0, 1);
        if (type.empty() || type.starts_with('[')) type.insert(0, "manifest");
        output.annotations.push_back(fmt::format("{}:{}={}", type, key.substr(dot + 1), field->second));
        field = fields.values.erase(field);
    }
}

// What is accepted because it says what happens anyway.
void take_settled(CsvFields& fields) {
    take_bool(fields, "unpack", flag);
    take_bool(fields, "name-canonical", flag);
    take(fields, "dangling-name-prefix");  // an image without a name is kept by its digest
    if (take_bool(fields, "registry.insecure", flag) == true)
        refuse("registry.insecure=true: not decided by an output", "say insecure = true of it in registries.conf");
    if (take_bool(fields, "prefer-nondist-layers", flag) == true)
        refuse("prefer-nondist-layers=true: layers of a base stay as they are only without force-compression",
               "leave it out");
    if (take_bool(fields, "rewrite-timestamp", flag) == false)
        refuse("rewrite-timestamp=false: the times of all outputs are said once", "with --timestamps=preserve");
}

void check_destination(const OutputOption& output) {
    const bool needs_one = output.kind == Kind::oci_layout || output.kind == Kind::directory;
    const bool takes_one = output.kind != Kind::store && output.kind != Kind::engine && output.kind != Kind::registry &&
                           output.kind != Kind::nothing;
    if (needs_one && output.destination.empty()) refuse("dest= is missing");
    if (needs_one && output.is_standard_output()) refuse("a directory cannot go to standard output");
    if (!takes_one && !output.destination.empty()) refuse("dest= does not go with this type");
}

}  // namespace

OutputOption parse_output(std::string_view text, layerstore::FormatVersion format) {
    OutputOption output;
    CsvFields fields = parse_csv_fields(text, flag);
    if (fields.values.empty() && fields.bare.size() == 1 && !fields.bare.front().empty()) {
        output.destination = fields.bare.front();
        output.kind = output.is_standard_output() ? Kind::tar : Kind::directory;
        return output;
    }
    const std::optional<std::string> type = take(fields, "type");
    if (!type) refuse("type is required for output", "as in type=oci,dest=image.tar; a directory alone is type=local");
    output.destination = take(fields, "dest").value_or("");
    output.kind = kind_of(*type, fields, !output.destination.empty());
    if (output.is_file_tree())
        read_attestation_places(fields, output);
    else
        read_packing(fields, *type, output, format);
    read_push(fields, output);
    read_mode(fields, output);
    read_annotations(fields, output);
    take_settled(fields);
    output.epoch = take(fields, "source-date-epoch");
    if (const std::optional<std::string> names = take(fields, "name")) {
        // "*" is the name of the result, which is that of --tag.
        for (const std::string_view name : split(*names, ','))
            if (trim(name) != "*") output.names.push_back(layerstore::Reference::parse(trim(name)).full());
    }
    refuse_others(fields, known_keys(), flag);
    check_destination(output);
    // Like buildx: an archive without a destination is the result, which goes to standard output.
    const bool is_archive = output.kind == Kind::oci_archive || output.kind == Kind::tar;
    if (is_archive && output.destination.empty()) output.destination = "-";
    return output;
}

void check_outputs(const std::vector<OutputOption>& outputs) {
    if (std::ranges::count_if(outputs, &OutputOption::is_standard_output) > 1)
        refuse("two outputs cannot both go to standard output");
    const OutputOption* dated = nullptr;
    for (const OutputOption& output : outputs) {
        if (!output.epoch) continue;
        if (!dated) dated = &output;
        if (output.epoch != dated->epoch)
            refuse("two outputs want different times", "source-date-epoch= is that of the whole build");
    }
    const OutputOption* first = nullptr;
    for (const OutputOption& output : outputs) {
        if (!output.is_image()) continue;
        if (!first) first = &output;
        const bool agrees =
            output.packing.compression == first->packing.compression && output.packing.level == first->packing.level &&
            output.force_compression == first->force_compression && output.oci_media_types == first->oci_media_types &&
            output.oci_artifact == first->oci_artifact;
        if (!agrees)
            refuse("two outputs want different layers", "build once for each; the second finds all steps cached");
    }
}

}  // namespace imgbuild::cli
