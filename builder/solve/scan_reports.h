// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the scanner of an image left.

#include <vector>

#include "builder/solve/file_contents.h"
#include "builder/solve/solver.h"

namespace imgbuild::builder {

/// The files NAME.spdx.json in the folder that the scanner was given, by name. Error{invalid_input} where there is none,
/// or a larger one than any JSON document may be.
std::vector<ScanReport> read_scan_reports(const NodeResult& scan, FileContents& contents);

}  // namespace imgbuild::builder
