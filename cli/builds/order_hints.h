// SPDX-License-Identifier: Apache-2.0
#pragma once

// Advice from what builds came to: which step was done again and again for a change that its result does not show, and
// would not have been if it stood above what changed.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "cli/builds/build_record.h"

namespace imgbuild::cli {

struct OrderHint {
    std::string context;  ///< whose Buildfile it is about
    std::string place;    ///< "Buildfile:4": of the step that was done again
    std::string text;     ///< for people, without the place
    std::size_t times = 0;
    double seconds = 0;  ///< that it took in all
};

/// `records`, the newest first. Only of steps that the newest build of their Buildfile has; what cost most comes first.
/// A step has to be seen at least twice to count.
std::vector<OrderHint> order_hints(std::span<const BuildRecord> records);

}  // namespace imgbuild::cli
