// SPDX-License-Identifier: Apache-2.0
#pragma once

// The part of a build that plan, build --check and build share: from text to a plan, with advice on the way.

#include <functional>
#include <optional>

#include "cli/commands/build_input.h"
#include "cli/commands/build_options.h"
#include "parser/buildfile/checks.h"

namespace imgbuild::cli {

/// Tells the errors of a Buildfile, and what the checks say of its rest: their cause may be among it.
void tell_errors(const BuildOptions& options, const parser::Buildfile& buildfile,
                 const parser::Diagnostics& diagnostics, const BuildInput& input);

struct ParsedInput {
    parser::Buildfile buildfile;
    std::vector<std::string> warnings;  ///< of the reader, which no check can switch off, each with its place
};

/// Parses; where that fails the diagnostics are told, with what the checks say of the rest, and the result is empty:
/// exit status 2.
std::optional<ParsedInput> parse_input(const BuildOptions& options, const BuildInput& input);

/// Plans all platforms, with base images of the store and, as the options say, of registries; what is said of the file
/// is said of the first one. Throws what the resolver throws.
/// With `resolver` images are asked of that one.
builder::PlanResult try_plan(const BuildOptions& options, const parser::Buildfile& buildfile, layerstore::Store& store,
                             builder::ImageResolver* resolver = nullptr);
/// The same; empty after errors of the Buildfile, which were told with what the checks say.
std::optional<builder::PlanResult> plan_input(const BuildOptions& options, const parser::Buildfile& buildfile,
                                              const BuildInput& input, layerstore::Store& store);

struct Advice {
    parser::Diagnostics warnings;
    bool is_fatal = false;  ///< `# check=error=true`, and there are some
};

/// What the build checks say. `planned` may be null: what base images say is then not known. Error{usage} for a
/// malformed check option.
Advice check_input(const BuildOptions& options, const parser::Buildfile& buildfile, const BuildInput& input,
                   const builder::PlanResult* planned);

}  // namespace imgbuild::cli
