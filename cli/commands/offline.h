// SPDX-License-Identifier: Apache-2.0
#pragma once

// --offline: what a build needs from elsewhere and what of it is not here, all of it at once and before anything runs.

#include "cli/commands/build_input.h"
#include "cli/commands/build_options.h"
#include "layerstore/store/store.h"
#include "parser/buildfile/buildfile.h"

namespace imgbuild::cli {

/// Error{unavailable} that names each base image, address, repository and context that the build would have to fetch,
/// with the line that wants it. What is found on the way is kept in `input`. Faults of the Buildfile are left to others.
void require_all_here(const BuildOptions& options, const parser::Buildfile& buildfile, BuildInput& input,
                      layerstore::Store& store, layerstore::Store::Lease& lease);

}  // namespace imgbuild::cli
