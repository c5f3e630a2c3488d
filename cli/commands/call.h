// SPDX-License-Identifier: Apache-2.0
#pragma once

// build --call: what a Buildfile says about itself, instead of an image (docs/formats/call-json.md).

#include <string>
#include <vector>

#include "builder/plan/build_plan.h"
#include "cli/commands/build_input.h"
#include "cli/commands/build_options.h"
#include "parser/buildfile/buildfile.h"

namespace imgbuild::cli {

/// Something that RUN mounts ask for by an id.
struct OutlineNeed {
    std::string id;
    bool required = false;  ///< of secrets and agents, by one mount at least
    parser::Span span;      ///< of the first mount
};

/// What a target takes from whoever builds it.
struct Outline {
    std::string name;  ///< of the stage; empty where it has none
    std::string description;
    std::vector<builder::PlannedArgument> arguments;
    std::vector<OutlineNeed> secrets, agents, caches;  ///< each id once, in the order of the plan
};
Outline outline_of(const builder::BuildPlan& plan, const parser::Stage& target);

/// For people, or with `call.json` for programs.
std::string outline_text(const Outline& outline, const Call& call, const parser::Source& source);
/// The stages of a file that have a name, and the last one.
std::string targets_text(const parser::Buildfile& buildfile, const Call& call, const parser::Source& source);

/// Prints what options.call asks for, which is not Method::build, and gives the exit status. Errors of the Buildfile
/// are told, or stand in the JSON of a check.
int answer_call(const BuildOptions& options, const BuildInput& input, layerstore::Store& store);

}  // namespace imgbuild::cli
