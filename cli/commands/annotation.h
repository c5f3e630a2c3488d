// SPDX-License-Identifier: Apache-2.0
#pragma once

// --annotation of build, as buildx spells it: "NAME=VALUE", "index:NAME=VALUE", "manifest[linux/amd64],index:NAME=VALUE".

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerstore/image/descriptor.h"

namespace imgbuild::cli {

/// A pair, and what it is said of.
struct Annotation {
    enum class Place { manifest, manifest_descriptor, index, index_descriptor };
    Place place = Place::manifest;
    std::optional<layerstore::Platform> platform;  ///< of a manifest: for this platform only
    std::string name, value;

    bool is_of_index() const noexcept { return place == Place::index || place == Place::index_descriptor; }
};

/// One for each type in `text`. Error{usage} for an unknown type, a platform that is none, and a missing name.
std::vector<Annotation> parse_annotation(std::string_view text);

/// What is said of `place`, of a manifest that of `platform`; of a name the last value.
std::map<std::string, std::string> annotations_of(const std::vector<Annotation>& annotations, Annotation::Place place,
                                                  const layerstore::Platform& platform = {});

}  // namespace imgbuild::cli
