// SPDX-License-Identifier: Apache-2.0
#pragma once

// Builds whose results stay where they were made, so that they can be compared: what `imgbuild verify` does.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/temporary_directory.h"
#include "builder/plan/build_plan.h"
#include "cli/builds/build_record.h"
#include "cli/commands/build_input.h"
#include "cli/commands/build_options.h"
#include "cli/commands/image_comparison.h"
#include "cli/commands/planning.h"
#include "layerstore/store/store.h"

namespace imgbuild::cli {

/// A store for one build, which is taken away with all that is in it.
class FreshStore {
  public:
    /// In a directory of its own below `parent`. `mode` as in SolveOptions.
    FreshStore(const Directory& parent, std::optional<builder::RootMode> mode);
    FreshStore(const FreshStore&) = delete;
    FreshStore& operator=(const FreshStore&) = delete;
    ~FreshStore();

    layerstore::Store& store() noexcept { return *store_; }
    layerstore::Store::Lease& lease() noexcept { return *lease_; }
    /// Beside the store: for whatever else the build needs.
    const Directory& folder() const noexcept { return folder_.directory(); }

  private:
    TemporaryDirectory folder_;
    std::optional<builder::RootMode> mode_;
    std::unique_ptr<layerstore::Store> store_;
    std::unique_ptr<layerstore::Store::Lease> lease_;
};

/// A build before anything of it is done.
struct PlannedBuild {
    BuildOptions options;
    BuildInput input;
    parser::Buildfile buildfile;
    builder::BuildPlan plan;
};

/// Reads and plans; tells warnings. Empty after errors of the Buildfile, which were told. Throws as `imgbuild build`.
std::unique_ptr<PlannedBuild> plan_build(BuildOptions options, layerstore::Store& store,
                                         layerstore::Store::Lease& lease);

/// The plan of `build` for a build in `fresh`: base images that `store` has, or can bring, are handed on.
std::unique_ptr<PlannedBuild> plan_again(const PlannedBuild& build, BuildOptions options, layerstore::Store& store,
                                         FreshStore& fresh);

/// What a build came to: its layers stand in the store.
struct MadeImages {
    std::vector<layerstore::Image> images;          ///< as BuildPlan::images
    std::vector<std::vector<LayerOrigin>> origins;  ///< of their layers
    std::vector<RecordedInputs::Source> contexts;   ///< what it saw of contexts
};
MadeImages make_images(const PlannedBuild& build, layerstore::Store& store, layerstore::Store::Lease& lease);

/// One image of `store`, which is borrowed, to compare it.
ImageSide side_of(const std::string& name, layerstore::Image image, std::vector<LayerOrigin> origins,
                  layerstore::Store& store);

}  // namespace imgbuild::cli
