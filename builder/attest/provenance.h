// SPDX-License-Identifier: Apache-2.0
#pragma once

// SLSA provenance: how a result was made, as far as the builder knows it. A pure function of the plan and of what the
// build found; equal builds give equal bytes.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "builder/attest/statement.h"
#include "builder/plan/build_plan.h"
#include "parser/source/source.h"

namespace imgbuild::builder {

struct ProvenanceOptions {
    enum class Mode {
        min,  ///< no arguments, no ids of secrets, no Buildfile, no steps
        max,
    };
    enum class Version { v0_2, v1 };
    Mode mode = Mode::max;
    Version version = Version::v1;
    std::string builder_id;
    bool reproducible = false;  ///< what the user says of the build, not what anybody checked
};

/// Where files of a build came from.
struct SourceIdentity {
    std::string uri;       ///< without a password; empty for a directory of this machine
    std::string revision;  ///< as Solved::revisions has it; may be empty
};

/// Time is told only to those who ask: RFC 3339.
struct BuildTimes {
    std::string started, finished;
};

/// What a build was asked and what it found, beside its plan. Borrows what it names.
struct BuildFacts {
    const BuildPlan& plan;
    const parser::Source& source;
    std::string buildfile;  ///< its name, of no use outside the context
    /// By the names that ContextFiles has.
    std::map<std::string, SourceIdentity> contexts;
    /// What images of layouts are called, by ResolvedImage::name, so that no path of this machine is told.
    std::map<std::string, std::string> layouts;
    std::string target;
    std::map<std::string, std::string> arguments;  ///< of the command line: "build-arg:NAME", "label:NAME", …
    const std::vector<std::string>& revisions;     ///< by node
    layerstore::Platform builder_platform;
    std::optional<BuildTimes> times;
};

/// The statement about `plan.images[image]`. `layers` are those of the image, where it was made, in its order.
Statement make_provenance(const BuildFacts& facts, std::size_t image, const std::vector<Subject>& subjects,
                          const std::vector<layerstore::Descriptor>& layers, const ProvenanceOptions& options);

}  // namespace imgbuild::builder
