// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which materialised deltas may be believed. A delta is published without a sync, because it can be made again:
// until its bytes are known to be on the disk it is believed only in the boot that wrote it
// (docs/formats/snapshot.md, "marker").
//
//   deltas/<spelling>/<DeltaId>/complete   the boot and the moment in which it was published
//   deltas/synced/<boot>                   the latest moment of that boot from before which all is on the disk

#include <string>

#include "base/digest.h"
#include "base/directory.h"

namespace imgbuild::layerstore {

/// A moment of one boot.
struct BootMoment {
    std::string boot;               ///< the kernel's boot id
    std::uint64_t nanoseconds = 0;  ///< since it started, sleep included

    static BootMoment now();
};

/// Writes the marker into the directory of a delta, whose files are complete.
void write_marker(const Directory& delta);
/// True if the delta called `hex` in the spelling's directory stands whole and believed. `deltas` holds synced/.
bool is_trusted(const Directory& deltas, const Directory& spelling, const std::string& hex);

/// Says that everything written to the file system of `deltas` before `moment` is on the disk: call it with a
/// moment taken before syncfs(2), after that succeeded.
void record_sync(const Directory& deltas, const BootMoment& moment);

}  // namespace imgbuild::layerstore
