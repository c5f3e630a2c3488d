// SPDX-License-Identifier: Apache-2.0
#pragma once

// Records of what this store knows by itself.

#include <optional>
#include <string_view>
#include <vector>

#include "builder/exchange/cache_records.h"
#include "layerstore/store/records.h"

namespace imgbuild::builder {

/// A base image whose content the store knows.
struct ExportedBase {
    struct Layer {
        Digest blob;
        DiffId diff_id;
        DeltaId delta;
    };
    Digest manifest;
    ContentId root;
    std::vector<Layer> layers;  ///< lowest first
    std::vector<Digest> files;  ///< that keys and edits look into, where the store has their bytes
};

/// Empty where the store has a delta's record no more.
std::optional<BaseRecord> record_of(const ExportedBase& base, layerstore::Records& records);
/// Without layers. `preimage` is the store's own; empty as above.
std::optional<StepRecord> record_of(const StepName& name, std::string_view preimage, const DeltaId& delta,
                                    layerstore::Records& records);

}  // namespace imgbuild::builder
