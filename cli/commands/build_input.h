// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a build reads before it plans: the Buildfile, and the directories with their ignore rules.

#include <map>
#include <optional>
#include <string>

#include "base/temporary_directory.h"
#include "builder/solve/solver.h"
#include "cli/commands/build_options.h"
#include "layerstore/store/store.h"
#include "parser/buildfile/buildfile.h"
#include "parser/source/source.h"

namespace imgbuild::cli {

/// A Buildfile's text: a path, or "-" for standard input. Error{not_found} names it.
parser::Source read_source(const std::string& path);

struct BuildInput {
    parser::Source source;
    std::map<std::string, builder::ContextDirectory> contexts;  ///< by name; "" is the main one
    std::optional<TemporaryDirectory> empty_context;            ///< of `imgbuild -`
};

/// Finds the Buildfile: -f, else Buildfile, Containerfile or Dockerfile in the context. Ignore rules come from
/// "<Buildfile>.dockerignore" or, in the context, .containerignore or .dockerignore; faults in them are Error{usage}
/// with their place.
/// Error{not_found} where the context or the Buildfile is missing. An empty context lies in the store's pending.
BuildInput read_build_input(const BuildOptions& options, layerstore::Store& store);

}  // namespace imgbuild::cli
