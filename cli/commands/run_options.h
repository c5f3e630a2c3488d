// SPDX-License-Identifier: Apache-2.0
#pragma once

// The flags of build that are about RUN steps: secrets, agents, hosts, limits.

#include "cli/commands/build_flags.h"
#include "cli/commands/build_options.h"

namespace imgbuild::cli {

/// Error{usage} names the flag. Secrets are named, not read.
builder::RunSettings read_run_settings(const BuildFlags& flags, const EnvironmentLookup& environment);

}  // namespace imgbuild::cli
