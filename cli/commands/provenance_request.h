// SPDX-License-Identifier: Apache-2.0
#pragma once

// What an image's own provenance (docs/attestations.md) says of its build, as far as that can be asked for again: for
// images that were built elsewhere.

#include <optional>

#include "cli/builds/build_record.h"
#include "layerstore/image/descriptor.h"
#include "layerstore/store/store.h"

namespace imgbuild::cli {

/// A record as a build of this store would have left, with `inputs`; its context is empty where the image was built from
/// a directory. References of bases are package URLs. Empty where the index holds no such statement of ours in its full
/// form (mode=max). Foreign statements that make no sense are as if they were not there.
std::optional<BuildRecord> record_of_provenance(layerstore::Store& store, const layerstore::Descriptor& index);

}  // namespace imgbuild::cli
