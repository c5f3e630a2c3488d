// SPDX-License-Identifier: Apache-2.0
#pragma once

// The step that scans a result for an SBOM: one more RUN, on an image that knows BuildKit's scanner protocol. For this
// folder only, but for the place of the reports.

#include <string>
#include <string_view>
#include <vector>

#include "builder/plan/stage_planner.h"

namespace imgbuild::builder {

/// Where a scanner leaves its reports, NAME.spdx.json.
inline constexpr std::string_view scan_destination = "/run/out";

/// A tree that is scanned besides the result.
struct ScanExtra {
    std::string name;  ///< one component
    NodeId tree = 0;
};

/// Adds the step that scans `result` with the image `scanner`. Throws what the resolver throws, and Error{usage} for
/// what is no image or has no command.
NodeId plan_scan(PlanSpace& space, const std::string& scanner, NodeId result, const std::vector<ScanExtra>& extras);

/// True if the value of a BUILDKIT_SBOM_SCAN_… variable means `stage`: a boolean, or a list of stages.
bool is_scan_of(std::string_view value, const std::string& stage);

}  // namespace imgbuild::builder
