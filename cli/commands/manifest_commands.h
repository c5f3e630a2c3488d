// SPDX-License-Identifier: Apache-2.0
#pragma once

// `imgbuild manifest create|add|annotate|remove|push|inspect|exists|rm`: indexes put together from images that exist,
// with the flags of docker manifest and of buildah.

#include <string>
#include <vector>

#include "cli/common/option_set.h"
#include "layerstore/image/descriptor.h"
#include "layerstore/store/store.h"

namespace imgbuild::cli {

int run_manifest_create(Arguments arguments);
int run_manifest_add(Arguments arguments);
int run_manifest_annotate(Arguments arguments);
int run_manifest_remove(Arguments arguments);
int run_manifest_push(Arguments arguments);
int run_manifest_inspect(Arguments arguments);
int run_manifest_exists(Arguments arguments);
int run_manifest_rm(Arguments arguments);

/// Pushes the list called `name` to `targets`, full references, or to the registry that it is named after. Gives its
/// index.
layerstore::Descriptor push_list(layerstore::Store& store, const std::string& name, std::vector<std::string> targets,
                                 bool quiet);

}  // namespace imgbuild::cli
