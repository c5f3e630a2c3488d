// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a Buildfile to a BuildPlan: expands words, folds what instructions say about the image into its config,
// and makes nodes for what the target needs. Pure but for the resolver that it asks for base images.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "builder/plan/build_plan.h"
#include "parser/buildfile/buildfile.h"
#include "parser/source/diagnostic.h"

namespace imgbuild::builder {

/// What a name of --build-context (or "" for the main context) stands for.
struct NamedContext {
    enum class Kind { files, image, layout, stage };
    Kind kind = Kind::files;
    /// A host path, URL or repository; an image reference; "PATH[:TAG|@DIGEST]"; or the name of a stage.
    std::string place;
};

struct PlanRequest {
    const parser::Buildfile& buildfile;
    ImageResolver& resolver;
    std::string target;                             ///< a stage; "" is the last
    std::map<std::string, std::string> build_args;  ///< given values only
    std::map<std::string, NamedContext> contexts;   ///< by name as the user gave it
    layerstore::Platform platform;
    layerstore::Platform build_platform;
    parser::RunNetwork network = parser::RunNetwork::inherit;  ///< of RUN steps that say nothing
    std::map<std::string, std::string> labels;                 ///< of --label
    std::string scanner;                                       ///< an image that scans the result; "": none does
    bool allow_host_network = false;                           ///< --allow network.host
    bool allow_insecure = false;                               ///< --allow security.insecure
};

struct PlanResult {
    std::optional<BuildPlan> plan;    ///< empty when there are errors
    parser::Diagnostics diagnostics;  ///< all of them in one go
    /// About the request, which has no place in the file: build arguments that no ARG of the planned stages declares.
    std::vector<std::string> warnings;
    /// SOURCE_DATE_EPOCH of an ARG before the first FROM, where no build argument replaced its default; not empty.
    std::optional<std::string> default_epoch;
};

/// Throws what the resolver throws, with the FROM or COPY in a frame.
PlanResult make_plan(const PlanRequest& request);

}  // namespace imgbuild::builder
