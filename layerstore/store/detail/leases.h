// SPDX-License-Identifier: Apache-2.0
#pragma once

// Leases: files that running builds hold under flock, each line a blob or a delta that must stay. A lease whose
// lock can be taken belongs to nobody.

#include <set>
#include <string>
#include <utility>

#include "base/digest.h"
#include "base/directory.h"
#include "base/file_lock.h"

namespace imgbuild::layerstore::detail {

inline constexpr const char* leases_name = "leases";

struct Leased {
    std::set<Digest> blobs;
    std::set<DeltaId> deltas;
};

/// Held shared while somebody leases, exclusively while a collection removes: so that no lease comes between
/// its last look and a removal.
FileLock lock_leases(const Directory& root, LockMode mode);
/// A new lease in `directory`, empty and locked.
std::pair<std::string, FileLock> make_lease(const Directory& directory);
/// What all living leases of the store name; dead ones are taken away.
Leased read_leases(const Directory& root);
inline void sweep_leases(const Directory& root) { static_cast<void>(read_leases(root)); }

}  // namespace imgbuild::layerstore::detail
