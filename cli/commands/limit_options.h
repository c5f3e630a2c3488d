// SPDX-License-Identifier: Apache-2.0
#pragma once

// The flags of build that limit what a RUN may use, as docker build has them.

#include "builder/solve/solver.h"
#include "cli/commands/build_flags.h"

namespace imgbuild::cli {

/// Sets budget and time-out of `settings`. Error{usage} names the flag.
void read_limits(builder::RunSettings& settings, const LimitFlags& flags);

}  // namespace imgbuild::cli
