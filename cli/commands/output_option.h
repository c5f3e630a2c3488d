// SPDX-License-Identifier: Apache-2.0
#pragma once

// One -o of build, as buildx spells it: "type=oci,dest=image.tar", or a directory, or "-".

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerstore/layer/packing.h"

namespace imgbuild::cli {

struct OutputOption {
    enum class Kind {
        store,           ///< type=image
        engine,          ///< type=docker without a destination: the store, and the docker or podman of this machine
        oci_layout,      ///< type=oci,tar=false
        oci_archive,     ///< type=oci
        docker_archive,  ///< type=docker,dest=
        directory,       ///< type=local
        tar,             ///< type=tar
        registry,        ///< type=registry
        nothing,         ///< type=cacheonly
    };
    Kind kind = Kind::store;
    std::string destination;  ///< a path, or "-" for standard output; empty for store, engine, registry and nothing
    std::vector<std::string> names;      ///< full references of name=
    bool push = false;                   ///< it goes to the registries of its names: type=registry, and push=true
    bool push_by_digest = false;         ///< without tags
    bool keep = true;                    ///< store=false: pushed and kept under no name here
    std::optional<std::string> context;  ///< of docker, whose engine is meant
    /// annotation.NAME=VALUE and its like, as --annotation has them; of the whole build.
    std::vector<std::string> annotations;
    bool deletes_others = false;  ///< mode=delete: what the result does not have leaves the directory
    layerstore::PackOptions packing;
    bool force_compression = false;
    bool oci_media_types = true;
    bool oci_artifact = true;            ///< the form of attestations
    std::optional<bool> platform_split;  ///< a folder for each platform; empty: where there are several
    std::string attestation_prefix;      ///< of the names of statements beside files
    std::optional<std::string> epoch;    ///< source-date-epoch=: of the whole build; "" turns every other one off

    /// True when it needs manifest, config and layers; else it needs files, or nothing.
    bool is_image() const noexcept {
        return kind == Kind::store || kind == Kind::engine || kind == Kind::oci_layout || kind == Kind::oci_archive ||
               kind == Kind::docker_archive || kind == Kind::registry;
    }
    /// True when it needs the bytes of all layers here, also of those that are at their registry.
    bool needs_blobs() const noexcept { return is_image() && kind != Kind::registry; }
    /// True when the image gets its names in the store.
    bool is_in_store() const noexcept {
        return (kind == Kind::store && keep && !push_by_digest) || kind == Kind::engine;
    }
    bool is_file_tree() const noexcept { return kind == Kind::directory || kind == Kind::tar; }
    bool is_standard_output() const noexcept { return destination == "-"; }
};

/// Error{usage} for an unknown type, key or value, with the nearest known one, and for what cannot be done.
/// Levels of compression that nobody gives are those of `format`.
OutputOption parse_output(std::string_view text, layerstore::FormatVersion format = layerstore::newest_format);

/// Error{usage} when two outputs ask for standard output, two images for different layers, or two times:
/// a build packs once.
void check_outputs(const std::vector<OutputOption>& outputs);

}  // namespace imgbuild::cli
