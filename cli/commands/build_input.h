// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a build reads before it plans: the Buildfile, and the contexts, as far as they have to be known.

#include <map>
#include <optional>
#include <string>
#include <vector>

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
    std::map<std::string, builder::BuildContext> contexts;  ///< by name; "" is the main one
    std::optional<TemporaryDirectory> empty_context;        ///< of `imgbuild -` with a Buildfile
    std::string fetched;                                    ///< for people: what was brought for the main context
    std::vector<std::string> warnings;                      ///< about the contexts

    /// The ignore rules of the main context; empty where it is no directory.
    const parser::IgnoreRules& ignore() const;
};

/// Finds the main context and the Buildfile in it: -f, else Buildfile, Containerfile or Dockerfile. In a directory -f
/// is a path of the host, "-" or an URL; in a context that lies elsewhere a relative path is one inside it. What an
/// URL gives that is no archive is the Buildfile itself. Error{not_found} where the context or the Buildfile is
/// missing; other errors as read_directory() and load_context(). An empty context lies in the store's pending.
/// `lease` may be null where the store can only be read: then what lies elsewhere is Error{denied}.
BuildInput read_build_input(const BuildOptions& options, layerstore::Store& store, layerstore::Store::Lease* lease);

}  // namespace imgbuild::cli
