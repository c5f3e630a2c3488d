// SPDX-License-Identifier: Apache-2.0
#pragma once

// What tells two entries of file systems apart, their bytes left aside.

#include <vector>

#include "builder/compare/layer_comparison.h"

namespace imgbuild::builder::detail {

/// `with_times`: the time of the entry counts as well.
std::vector<Finding> entry_findings(const FileDifference& difference, bool with_times);

}  // namespace imgbuild::builder::detail
