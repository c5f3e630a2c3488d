// SPDX-License-Identifier: Apache-2.0
#include "layerstore/image/descriptor.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "layerstore/image/detail/document.h"

namespace imgbuild::layerstore {
namespace {

struct LayerType {
    std::string_view type;
    Compression compression;
};

// The last five must not be distributed; where their bytes are at hand they are layers as all others.
constexpr LayerType layer_types[] = {
    {media_type::oci_layer, Compression::none},
    {media_type::oci_layer_gzip, Compression::gzip},
    {media_type::oci_layer_zstd, Compression::zstd},
    {media_type::docker_layer, Compression::none},
    {media_type::docker_layer_gzip, Compression::gzip},
    {media_type::docker_layer_zstd, Compression::zstd},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar", Compression::none},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", Compression::gzip},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", Compression::zstd},
    {"application/vnd.docker.image.rootfs.foreign.diff.tar", Compression::none},
    {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Compression::gzip},
};

// Data embedded in a descriptor must be what its digest and size say (image-spec descriptor.md, "data").
void check_embedded_data(const Json& object, const Descriptor& descriptor, std::string_view what) {
    auto data = optional_string(object, "data", what);
    if (!data) return;
    auto bytes = detail::decode_base64(*data);
    if (!bytes) detail::refuse(detail::place(what, "data"), "not base64");
    if (bytes->size() != descriptor.size || Sha256::of(*bytes) != descriptor.digest)
        throw Error(ErrorKind::corrupt, fmt::format("{}: not what the digest says", detail::place(what, "data")));
}

Platform platform_from_json(const Json& object, std::string_view what) {
    Platform platform;
    platform.os = required_string(object, "os", what);
    platform.architecture = required_string(object, "architecture", what);
    platform.variant = optional_string(object, "variant", what).value_or("");
    platform.os_version = optional_string(object, "os.version", what).value_or("");
    platform.os_features = detail::string_list(object, "os.features", what).value_or(std::vector<std::string>());
    return platform;
}

Json platform_to_json(const Platform& platform) {
    Json object = {{"architecture", platform.architecture}, {"os", platform.os}};
    if (!platform.os_version.empty()) object["os.version"] = platform.os_version;
    if (!platform.os_features.empty()) object["os.features"] = platform.os_features;
    if (!platform.variant.empty()) object["variant"] = platform.variant;
    return object;
}

}  // namespace

bool is_index(std::string_view type) noexcept {
    return type == media_type::oci_index || type == media_type::docker_index;
}

bool is_manifest(std::string_view type) noexcept {
    return type == media_type::oci_manifest || type == media_type::docker_manifest;
}

bool is_image_config(std::string_view type) noexcept {
    return type == media_type::oci_config || type == media_type::docker_config;
}

std::optional<Compression> layer_compression(std::string_view type) noexcept {
    for (const LayerType& known : layer_types)
        if (known.type == type) return known.compression;
    return std::nullopt;
}

std::string_view oci_layer_type(Compression compression) noexcept {
    switch (compression) {
        case Compression::none: return media_type::oci_layer;
        case Compression::gzip: return media_type::oci_layer_gzip;
        case Compression::zstd: return media_type::oci_layer_zstd;
    }
    return media_type::oci_layer;
}

Descriptor Descriptor::from_json(const Json& object, std::string_view what) {
    detail::require_object(object, what);
    Descriptor descriptor;
    descriptor.media_type = required_string(object, "mediaType", what);
    descriptor.digest = detail::to_digest(required_string(object, "digest", what), detail::place(what, "digest"));
    std::int64_t size = required_integer(object, "size", what);
    if (size < 0) detail::refuse(detail::place(what, "size"), fmt::format("{} is negative", size));
    descriptor.size = static_cast<std::uint64_t>(size);
    descriptor.annotations = detail::string_map(object, "annotations", what);
    if (const Json* platform = optional_object(object, "platform", what))
        descriptor.platform = platform_from_json(*platform, detail::place(what, "platform"));
    check_embedded_data(object, descriptor, what);
    descriptor.other_members =
        detail::members_but(object, {"mediaType", "digest", "size", "annotations", "platform"}, what);
    return descriptor;
}

Json Descriptor::to_json() const {
    Json object = {{"mediaType", media_type}, {"digest", digest.text()}, {"size", size}};
    if (!annotations.empty()) object["annotations"] = annotations;
    if (platform) object["platform"] = platform_to_json(*platform);
    return detail::join_members(
        std::move(object), other_members,
        {"mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"});
}

}  // namespace imgbuild::layerstore
