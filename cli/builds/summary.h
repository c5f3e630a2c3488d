// SPDX-License-Identifier: Apache-2.0
#pragma once

// One line about a build that has ended: how much of it was found, and where the time of the rest went.

#include <string>
#include <vector>

#include "cli/builds/build_record.h"

namespace imgbuild::cli {

/// Work that waited for each other.
struct CriticalPath {
    double duration = 0;             ///< seconds
    std::vector<std::size_t> steps;  ///< places in BuildRecord::steps, the first one first
};

/// The longest chain of work: the build could not have been faster than it with any number of processors.
CriticalPath critical_path(const BuildRecord& record);

/// "4 steps: 2 cached (3.2s saved), 2 done; slowest: RUN make 1.2s (Buildfile:5); critical path 1.3s"
std::string summary_of(const BuildRecord& record);

/// "RUN make": a step without its place among the others.
std::string instruction_of(const RecordedStep& step);

}  // namespace imgbuild::cli
