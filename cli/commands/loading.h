// SPDX-License-Identifier: Apache-2.0
#pragma once

// --load and type=docker: an image of the store into the docker or podman of this machine.

#include <optional>
#include <string>
#include <vector>

#include "layerstore/image/image.h"
#include "layerstore/store/store.h"

namespace imgbuild::cli {

/// Puts one of `images`, whose blobs stand in the store, into the engine under `names`: the one for this machine, else
/// the first. Tells what happened unless `quiet`; where there is no engine at all the image is in the store alone, which
/// is told and is no error. `context` names the docker context whose engine is meant.
void load_into_engine(layerstore::Store& store, const std::vector<layerstore::Image>& images,
                      const std::vector<std::string>& names, const std::optional<std::string>& context, bool quiet);

}  // namespace imgbuild::cli
