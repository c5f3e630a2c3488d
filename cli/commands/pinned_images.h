// SPDX-License-Identifier: Apache-2.0
#pragma once

// Names of images that stand for what they stood for in an earlier build.

#include <memory>
#include <vector>

#include "builder/plan/image_resolver.h"
#include "cli/commands/build_options.h"
#include "layerstore/store/store.h"

namespace imgbuild::cli {

/// Asks `finder`; where its answer is not the pinned image, looks for that one among the blobs of the store, named or
/// not, and then asks `finder` for its digest. What has no pin is as `finder` has it; without pins that is `finder`
/// itself. Error{not_found} where the pinned image is nowhere any more. `pins` and `store` outlive it.
std::unique_ptr<builder::ImageResolver> pin_images(std::unique_ptr<builder::ImageResolver> finder,
                                                   const std::vector<ImagePin>& pins, layerstore::Store& store);

}  // namespace imgbuild::cli
