// SPDX-License-Identifier: Apache-2.0
#pragma once

// Layers of the image: packed from deltas, or known from an earlier build.

#include <optional>
#include <vector>

#include "builder/image/image_assembly.h"
#include "builder/solve/file_contents.h"
#include "builder/solve/node_result.h"
#include "builder/solve/services.h"

namespace imgbuild::builder {

/// How this build packs the layer of a step.
PackKey key_of_packing(const StackLayer& layer, const Services& services);

/// The layers that a node gives an image, where that needs no work: the one of a step, packed in this way before, whose
/// blob stands in the store, leased; those of a base image, as they are, where they stand in the store or need not. Of
/// what is only claimed there are none: it is verified on the way.
std::optional<std::vector<FinishedLayer>> find_layers(const NodeResult& result, Services& services);

/// Packs it. The caller is no thread of Services::workers.
FinishedLayer pack(const StackLayer& layer, Services& services, FileContents& contents);

/// The layers of a base image as they are, or in the compression asked for. With SolveGoal::blobs their bytes stand in
/// the store afterwards.
std::vector<FinishedLayer> base_layers(const ResolvedImage& image, Services& services);

}  // namespace imgbuild::builder
