// SPDX-License-Identifier: Apache-2.0
#pragma once

// --chown and --chmod of COPY and ADD together.

#include <optional>

#include "builder/edit/accounts.h"
#include "builder/edit/detail/mode_change.h"
#include "layerstore/tree/entry.h"

namespace imgbuild::builder {

struct MetadataChange {
    std::optional<Owner> owner;
    std::optional<ModeChange> mode;

    /// An entry of the source as the image gets it.
    layerstore::Entry applied_to(layerstore::Entry entry) const;
    /// What a directory gets that no source has: a destination or a parent that was missing.
    layerstore::Entry new_directory() const;
};

}  // namespace imgbuild::builder
