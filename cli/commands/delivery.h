// SPDX-License-Identifier: Apache-2.0
#pragma once

// From what the solver made to what was asked for: an image, its names, archives, directories, and the files that
// scripts read.

#include <optional>
#include <vector>

#include "builder/plan/build_plan.h"
#include "builder/solve/solver.h"
#include "cli/commands/attestations.h"
#include "cli/commands/build_options.h"
#include "layerstore/image/image.h"
#include "layerstore/store/store.h"

namespace imgbuild::cli {

/// What the outputs of `options` need of the solver.
builder::SolveGoal goal_of(const BuildOptions& options);

/// What a build made, its documents in the store.
struct Product {
    std::vector<layerstore::Image> images;        ///< as BuildPlan::images; empty where no output wants one
    std::optional<layerstore::Descriptor> index;  ///< of them, where BuildOptions::makes_index()

    /// What names stand for; null where there is no image.
    const layerstore::Descriptor* descriptor() const noexcept;
};
Product make_product(const BuildOptions& options, const builder::BuildPlan& plan, const builder::Solved& solved,
                     const Attestations& attestations, layerstore::Store& store);

/// Writes every output in the order in which they were given.
void deliver(const BuildOptions& options, const Product& product, const builder::BuildPlan& plan,
             const builder::Solved& solved, const Attestations& attestations, layerstore::Store& store);

/// The names that the image has in the store afterwards.
std::vector<std::string> stored_names(const BuildOptions& options);

/// Puts a whole file at a path of the host. Throws Error.
void write_host_file(const std::string& path, std::string_view content);

/// Takes away what an earlier build left under --iidfile: a failed build leaves none.
void clear_report(const BuildOptions& options);
/// --iidfile and --metadata-file.
void write_report(const BuildOptions& options, const Product& product);

}  // namespace imgbuild::cli
