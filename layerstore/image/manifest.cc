// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "layerstore/image/detail/document.h"
#include "layerstore/image/image.h"

namespace imgbuild::layerstore {
namespace {

// Some read such a document as an image and some as an index: what one of them checked is not what the other
// one runs (CVE-2021-41190).
void refuse_ambiguous(const Json& document, std::string_view what) {
    const bool of_image = document.contains("layers") || document.contains("config");
    if (of_image && document.contains("manifests"))
        detail::refuse(what, "has both manifests and layers: neither an index nor an image for certain");
}

Json parse_document(std::string_view bytes, std::string_view what) {
    if (bytes.size() > max_manifest_bytes)
        detail::refuse(what, fmt::format("larger than {}", human_size(max_manifest_bytes)));
    Json document = parse_json(bytes, what);
    detail::require_object(document, what);
    detail::require_schema_version(document, what);
    refuse_ambiguous(document, what);
    return document;
}

std::vector<Descriptor> descriptors(const Json& document, std::string_view member, std::string_view what) {
    const Json* list = optional_array(document, member, what);
    if (!list) detail::refuse(detail::place(what, member), "missing");
    std::vector<Descriptor> result;
    result.reserve(list->size());
    for (const Json& item : *list)
        result.push_back(
            Descriptor::from_json(item, detail::place(what, fmt::format("{}[{}]", member, result.size()))));
    return result;
}

Json to_json(const std::vector<Descriptor>& descriptors) {
    Json list = Json::array();
    for (const Descriptor& descriptor : descriptors) list.push_back(descriptor.to_json());
    return list;
}

}  // namespace

Manifest Manifest::parse(std::string_view bytes, std::string_view expected_type, std::string_view what) {
    const Json document = parse_document(bytes, what);
    Manifest manifest;
    manifest.media_type = optional_string(document, "mediaType", what).value_or("");
    if (manifest.media_type.empty())
        manifest.media_type = expected_type.empty() ? media_type::oci_manifest : expected_type;
    if (!is_manifest(manifest.media_type) || (!expected_type.empty() && manifest.media_type != expected_type))
        detail::refuse(detail::place(what, "mediaType"),
                       fmt::format("\"{}\" and not \"{}\"", printable(manifest.media_type),
                                   expected_type.empty() ? media_type::oci_manifest : expected_type));
    const Json* config = optional_object(document, "config", what);
    if (!config) detail::refuse(detail::place(what, "config"), "missing");
    manifest.config = Descriptor::from_json(*config, detail::place(what, "config"));
    manifest.layers = descriptors(document, "layers", what);
    if (manifest.layers.size() > max_layers)
        detail::refuse(detail::place(what, "layers"),
                       fmt::format("{}, at most {}", manifest.layers.size(), max_layers));
    manifest.annotations = detail::string_map(document, "annotations", what);
    manifest.other_members =
        detail::members_but(document, {"schemaVersion", "mediaType", "config", "layers", "annotations"}, what);
    return manifest;
}

std::string Manifest::encode() const {
    Json document = {{"schemaVersion", 2}, {"mediaType", media_type}, {"config", config.to_json()}};
    document["layers"] = to_json(layers);
    if (!annotations.empty()) document["annotations"] = annotations;
    return write_json_indented(detail::join_members(
        std::move(document), other_members,
        {"schemaVersion", "mediaType", "artifactType", "config", "layers", "subject", "annotations"}));
}

Index Index::parse(std::string_view bytes, std::string_view what) {
    const Json document = parse_document(bytes, what);
    Index index;
    index.media_type = optional_string(document, "mediaType", what).value_or(std::string(media_type::oci_index));
    if (!is_index(index.media_type))
        detail::refuse(
            what, fmt::format("mediaType: \"{}\" and not \"{}\"", printable(index.media_type), media_type::oci_index));
    index.manifests = descriptors(document, "manifests", what);
    index.annotations = detail::string_map(document, "annotations", what);
    index.other_members =
        detail::members_but(document, {"schemaVersion", "mediaType", "manifests", "annotations"}, what);
    return index;
}

std::string Index::encode() const {
    Json document = {{"schemaVersion", 2},
                     {"mediaType", media_type.empty() ? std::string(media_type::oci_index) : media_type},
                     {"manifests", to_json(manifests)}};
    if (!annotations.empty()) document["annotations"] = annotations;
    return write_json_indented(
        detail::join_members(std::move(document), other_members,
                             {"schemaVersion", "mediaType", "artifactType", "manifests", "subject", "annotations"}));
}

const Descriptor* Index::find(const Platform& platform) const {
    for (const Platform& wanted : platform.acceptable()) {
        const Descriptor* of_other_version = nullptr;
        for (const Descriptor& manifest : manifests) {
            if (!manifest.platform) continue;
            const Platform found = manifest.platform->normalised();
            if (found.os != wanted.os || found.architecture != wanted.architecture || found.variant != wanted.variant)
                continue;
            if (found.os_version.starts_with(wanted.os_version)) return &manifest;
            if (!of_other_version) of_other_version = &manifest;
        }
        if (of_other_version) return of_other_version;
    }
    for (const Descriptor& manifest : manifests)
        if (!manifest.platform) return &manifest;
    return nullptr;
}

}  // namespace imgbuild::layerstore
