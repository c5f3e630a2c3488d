// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a build says about its result: from its options, its input and what the solver found to statements.

#include <cstdint>
#include <string>
#include <vector>

#include "builder/attest/provenance.h"
#include "builder/plan/build_plan.h"
#include "builder/solve/solver.h"
#include "cli/commands/build_input.h"
#include "cli/commands/build_options.h"
#include "layerstore/image/image.h"

namespace imgbuild::cli {

/// The statements about one build, made when they are asked for.
class Attestations {
  public:
    /// Everything is borrowed. `started` in seconds since 1970; nobody looks at it unless times are wanted.
    Attestations(const BuildOptions& options, const BuildInput& input, const builder::BuildPlan& plan,
                 const builder::Solved& solved, std::int64_t started);

    /// About the image of `plan.images[number]`, which has these names. Empty where nothing is asked for.
    std::vector<builder::Statement> of_image(std::size_t number, const layerstore::Image& image,
                                             const std::vector<std::string>& names) const;

    struct File {
        std::string name, bytes;
    };
    /// About the files of that image, for outputs that are files.
    std::vector<File> of_files(std::size_t number) const;

  private:
    builder::BuildFacts facts() const;

    const BuildOptions& options_;
    const BuildInput& input_;
    const builder::BuildPlan& plan_;
    const builder::Solved& solved_;
    std::int64_t started_;
};

}  // namespace imgbuild::cli
