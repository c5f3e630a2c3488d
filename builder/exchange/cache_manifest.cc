// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "builder/exchange/cache_records.h"
#include "layerstore/image/image.h"

namespace imgbuild::builder {
namespace {

using layerstore::Descriptor;

constexpr std::string_view artifact_family = "application/vnd.imgbuild.cache.";
constexpr std::string_view artifact_type = "application/vnd.imgbuild.cache.v1";
constexpr std::string_view steps_type = "application/vnd.imgbuild.cache.steps.v1+zstd";
constexpr std::string_view base_type = "application/vnd.imgbuild.cache.base.v1+zstd";
constexpr const char* annotation_base = "io.imgbuild.cache.base";
constexpr const char* annotation_used = "io.imgbuild.cache.used";

// The artifact type, or nothing for an index, an image or whatever else.
std::string artifact_type_of(const Json& document, const std::string& what) {
    if (!document.is_object() || document.contains("manifests")) return {};
    return optional_string(document, "artifactType", what).value_or("");
}

std::string annotation_of(const Descriptor& descriptor, const char* name) {
    const auto found = descriptor.annotations.find(name);
    return found == descriptor.annotations.end() ? std::string() : found->second;
}

}  // namespace

Descriptor empty_config_descriptor() {
    return {.media_type = "application/vnd.oci.empty.v1+json",
            .digest = Sha256::of(empty_config),
            .size = empty_config.size()};
}

std::string CacheManifest::encode() const {
    layerstore::Manifest manifest{.media_type = std::string(layerstore::media_type::oci_manifest)};
    manifest.config = empty_config_descriptor();
    manifest.layers.push_back(*steps);
    manifest.layers.back().media_type = steps_type;
    for (const auto& [image, base] : bases) {
        Descriptor records = base.records;
        records.media_type = base_type;
        records.annotations = {{annotation_base, image.text()}, {annotation_used, std::to_string(base.used)}};
        manifest.layers.push_back(std::move(records));
    }
    manifest.layers.insert(manifest.layers.end(), layers.begin(), layers.end());
    manifest.other_members = write_json(Json{{"artifactType", artifact_type}});
    return manifest.encode();
}

std::optional<CacheManifest> CacheManifest::parse(std::string_view bytes, const std::string& what) {
    const std::string type = artifact_type_of(parse_json(bytes, what), what);
    if (!type.starts_with(artifact_family)) return std::nullopt;
    if (type != artifact_type)
        throw Error(ErrorKind::unsupported, fmt::format("{}: a cache of another version: {}", what, printable(type)));
    CacheManifest cache;
    for (Descriptor& blob : layerstore::Manifest::parse(bytes, "", what).layers) {
        if (blob.media_type == steps_type) {
            cache.steps = std::move(blob);
        } else if (blob.media_type == base_type) {
            const std::optional<Digest> image = Digest::parse(annotation_of(blob, annotation_base));
            if (!image) throw Error(ErrorKind::invalid_input, fmt::format("{}: records of no base image", what));
            const auto used = parse_unsigned(annotation_of(blob, annotation_used)).value_or(0);
            cache.bases[*image] = {std::move(blob), static_cast<std::int64_t>(used)};
        } else {
            cache.layers.push_back(std::move(blob));
        }
    }
    if (!cache.steps) throw Error(ErrorKind::invalid_input, fmt::format("{}: no records of steps", what));
    return cache;
}

}  // namespace imgbuild::builder
