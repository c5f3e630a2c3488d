// SPDX-License-Identifier: Apache-2.0
#pragma once

// Image names as Docker normalises them: "alpine" is docker.io/library/alpine:latest.

#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"

namespace imgbuild::layerstore {

struct Reference {
    std::string domain;      ///< "docker.io", "localhost:5000"
    std::string repository;  ///< "library/alpine"
    std::string tag;         ///< "latest"; may be empty beside a digest
    std::optional<Digest> digest;

    /// Error{usage} with the offending part and what is allowed there.
    static Reference parse(std::string_view text);
    std::string full() const;      ///< "docker.io/library/alpine:latest[@sha256:…]"
    std::string familiar() const;  ///< "alpine:latest"
    std::string name() const { return domain + "/" + repository; }
    friend bool operator==(const Reference&, const Reference&) = default;
};

}  // namespace imgbuild::layerstore
