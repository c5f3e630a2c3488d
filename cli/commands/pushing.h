// SPDX-License-Identifier: Apache-2.0
#pragma once

// Images to registries, for `push` and for the outputs of a build.

#include <map>
#include <string>
#include <vector>

#include "builder/plan/build_plan.h"
#include "builder/push/push_image.h"
#include "layerstore/store/store.h"

namespace imgbuild::cli {

struct PushJob {
    layerstore::Store& store;
    layerstore::Descriptor root;     ///< a manifest or an index, its documents in the store
    std::vector<std::string> names;  ///< full references
    /// Whose base images know where layers are that the store does not have; null where it has all of them.
    const builder::BuildPlan* plan = nullptr;
    /// Where images are whose layers the store does not have; as ManifestList::origins, may be null.
    const std::map<Digest, std::string>* origins = nullptr;
    bool by_digest = false;
    bool quiet = false;  ///< nothing is told
};

/// References of the command line as full ones, without the prefix "docker://". Error{usage} for one with a digest.
std::vector<std::string> push_targets(const std::vector<std::string>& texts);

/// Pushes, and tells of each repository what went there.
void push(const PushJob& job);

}  // namespace imgbuild::cli
