// SPDX-License-Identifier: Apache-2.0
#pragma once

// --provenance, --sbom and --attest of build, as buildx spells them.

#include <optional>
#include <string>
#include <vector>

#include "builder/attest/provenance.h"

namespace imgbuild::cli {

struct ProvenanceRequest {
    builder::ProvenanceOptions options;
    std::string file_name = "provenance.json";  ///< in outputs that are files; one component
    bool inline_only = false;                   ///< not in outputs that are files
    bool times = false;
};

struct AttestRequest {
    std::optional<ProvenanceRequest> provenance;
    std::optional<std::string> scanner;  ///< the image that makes the SBOM

    bool is_any() const noexcept { return provenance || scanner; }
};

/// The values of the three flags. Error{usage} for an unknown type, key or value, and for a type that is asked for
/// twice.
AttestRequest read_attest_options(const std::optional<std::string>& provenance, const std::optional<std::string>& sbom,
                                  const std::vector<std::string>& attests);

}  // namespace imgbuild::cli
