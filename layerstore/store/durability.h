// SPDX-License-Identifier: Apache-2.0
#pragma once

// How much of a store is waited for until it is on the disk (docs/layers.md, "Durability").

namespace imgbuild::layerstore {

/// What a power loss may cost.
enum class StoreDurability {
    none,    ///< anything: nothing is waited for
    images,  ///< what has no name yet
    steps,   ///< what is not finished
};

}  // namespace imgbuild::layerstore
