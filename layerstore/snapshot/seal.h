// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether the files of a materialised delta are still those that were published, told without reading them
// (docs/decisions/0010-damaged-deltas.md). Every change leaves a trace that no user can take back: the kernel's
// change time of the file or of its directory.
//
//   deltas/<spelling>/<DeltaId>/seal   a digest of what stat says of everything below files/

#include <string>

#include "base/directory.h"

namespace imgbuild::layerstore {

/// Writes the seal into the directory of a delta, whose files are complete and where they will stay: moving files/
/// itself breaks it, moving the directory does not.
void write_seal(const Directory& delta);

/// True if nothing below files/ of the delta called `hex` was changed, added or taken away since write_seal().
/// `spelling` is the directory that holds the delta. Costs a stat of each file. What cannot be looked at counts as
/// changed. Does not see bytes that went bad on the disk by themselves.
bool is_sealed(const Directory& spelling, const std::string& hex);

}  // namespace imgbuild::layerstore
