// SPDX-License-Identifier: Apache-2.0
#pragma once

// OCI content descriptors and platforms (image-spec descriptor.md, image-index.md), and media types.

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/compression.h"
#include "base/digest.h"

namespace imgbuild::layerstore {

namespace media_type {
inline constexpr std::string_view oci_index = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view oci_manifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view oci_config = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view oci_layer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view oci_layer_gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view oci_layer_zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view docker_index = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view docker_manifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view docker_config = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view docker_layer = "application/vnd.docker.image.rootfs.diff.tar";
inline constexpr std::string_view docker_layer_gzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
inline constexpr std::string_view docker_layer_zstd = "application/vnd.docker.image.rootfs.diff.tar.zstd";
}  // namespace media_type

bool is_index(std::string_view type) noexcept;
bool is_manifest(std::string_view type) noexcept;
/// OCI's or Docker's image config: what is neither belongs to an artifact, not to an image.
bool is_image_config(std::string_view type) noexcept;
/// The compression that a layer's media type promises, those that must not be distributed among them; empty
/// when it is no layer that can be unpacked.
std::optional<Compression> layer_compression(std::string_view type) noexcept;
std::string_view oci_layer_type(Compression compression) noexcept;

/// os/architecture[/variant] in Go's words, normalised: arm64 has no variant v8, amd64 none called v1, arm
/// defaults to v7.
struct Platform {
    std::string os = "linux";
    std::string architecture;
    std::string variant;
    std::string os_version;
    std::vector<std::string> os_features;

    /// "linux/amd64", "linux/arm/v7", or one of them alone ("arm64"). Error{usage} for anything else.
    static Platform parse(std::string_view text);
    static Platform host();
    /// "unknown/unknown": in an index, of what is no image but is said about one (attestations).
    static Platform unknown();
    bool is_unknown() const noexcept;
    std::string text() const;  ///< as parse() reads it, the version of the system included where it is known
    /// In the words described above; documents of other tools need not use them.
    Platform normalised() const;
    /// The platforms whose images run on this one, best first, as containerd matches them: itself, then its
    /// older variants; 32 bit ARM on arm64, 386 on amd64.
    std::vector<Platform> acceptable() const;
    friend bool operator==(const Platform&, const Platform&) = default;
};

struct Descriptor {
    std::string media_type;
    Digest digest;
    std::uint64_t size = 0;  ///< bytes
    std::map<std::string, std::string> annotations;
    std::optional<Platform> platform;
    std::string other_members;  ///< urls, artifactType and what we do not know: a JSON object, or empty

    /// Checks types, digest grammar, ranges, and that embedded data is what the digest says. `what` names the
    /// place in errors.
    static Descriptor from_json(const nlohmann::ordered_json& object, std::string_view what);
    /// mediaType, digest, size, then what is not empty, in the order of the specification.
    nlohmann::ordered_json to_json() const;
    friend bool operator==(const Descriptor&, const Descriptor&) = default;
};

}  // namespace imgbuild::layerstore
