// SPDX-License-Identifier: Apache-2.0
#pragma once

// Manifests, indexes, configs, and an image as one value (image-spec manifest.md, config.md, image-index.md).
// Documents that came from elsewhere keep their bytes; manifests and indexes keep the members we do not know
// when they are written again. A config does not: what is built on an image says only what the builder knows.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "layerstore/image/descriptor.h"

namespace imgbuild::layerstore {

inline constexpr std::uint64_t max_manifest_bytes = 4 * 1024 * 1024;
inline constexpr std::uint64_t max_config_bytes = 8 * 1024 * 1024;
inline constexpr std::size_t max_layers = 10'000;

struct Manifest {
    std::string media_type;
    Descriptor config;
    std::vector<Descriptor> layers;
    std::map<std::string, std::string> annotations;
    std::string other_members;  ///< artifactType, subject and what we do not know: a JSON object, or empty

    /// Refuses what is ambiguous: both manifests and layers, another schemaVersion, a media type that is not
    /// `expected_type` (where not empty). Error{invalid_input} names `what`.
    static Manifest parse(std::string_view bytes, std::string_view expected_type, std::string_view what);
    /// Two spaces of indentation, as the field's tools write it.
    std::string encode() const;
};

struct Index {
    std::string media_type;
    std::vector<Descriptor> manifests;
    std::map<std::string, std::string> annotations;
    std::string other_members;  ///< as in Manifest

    /// Refuses what Manifest::parse() refuses, the other way round.
    static Index parse(std::string_view bytes, std::string_view what);
    std::string encode() const;
    /// The manifest for `platform`: the best of Platform::acceptable(), of equals the first whose version of the system
    /// begins with the wanted one, or the first; else the first that names no platform. Null when there is none.
    const Descriptor* find(const Platform& platform) const;
};

struct Healthcheck {
    std::vector<std::string> test;
    std::int64_t interval = 0;  ///< nanoseconds, as all of these
    std::int64_t timeout = 0;
    std::int64_t start_period = 0;
    std::int64_t start_interval = 0;
    int retries = 0;
    friend bool operator==(const Healthcheck&, const Healthcheck&) = default;
};

struct HistoryEntry {
    std::string created;  ///< RFC 3339, may be empty
    std::string created_by;
    std::string comment;
    std::string author;
    bool empty_layer = false;
};

/// The typed view of an image config document.
struct ImageConfig {
    Platform platform;
    std::string author;
    std::string created;  ///< RFC 3339, may be empty

    std::string user;
    std::vector<std::string> exposed_ports;  ///< "80/tcp", sorted
    std::vector<std::string> environment;    ///< "NAME=value", order kept
    std::optional<std::vector<std::string>> entrypoint;
    std::optional<std::vector<std::string>> command;
    std::vector<std::string> volumes;  ///< sorted
    std::string working_directory;
    std::map<std::string, std::string> labels;
    std::string stop_signal;
    bool arguments_escaped = false;
    std::optional<Healthcheck> healthcheck;
    std::vector<std::string> on_build;
    std::vector<std::string> shell;

    std::vector<DiffId> diff_ids;
    std::vector<HistoryEntry> history;

    /// Reads a config document. Error{invalid_input} for wrong types, more than max_layers diff IDs, NUL in
    /// environment, arguments or paths, variables without "=", and a user that is neither a name nor a number
    /// that the kernel takes: such a one must never wrap to 0.
    static ImageConfig parse(std::string_view bytes, std::string_view what);
    /// Compact, keys in the order BuildKit writes them (spec of the language, section 5.1).
    std::string encode() const;

    std::optional<std::string> find_environment(std::string_view name) const;
    /// Replaces in place or appends.
    void set_environment(std::string_view name, std::string_view value);
};

/// An image as its parts name each other: enough to copy it anywhere once its blobs can be read.
struct Image {
    Descriptor descriptor;  ///< of the manifest, platform set
    Manifest manifest;
    std::string manifest_bytes;  ///< exactly what descriptor.digest covers
    ImageConfig config;
    std::string config_bytes;
};

/// Checks what must hold between the parts: config size and digest, as many diff IDs as layers, layer types.
/// Error{invalid_input} names `what`.
void check_image(const Image& image, std::string_view what);

ChainId chain_id(std::span<const DiffId> diff_ids);

}  // namespace imgbuild::layerstore
