// SPDX-License-Identifier: Apache-2.0
#pragma once

// How collection finds what a value or a document needs, and what stands in deltas/.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/directory.h"

namespace imgbuild::layerstore::detail {

/// The digests in `value` that `is_known`: at any offset 32 raw bytes, or "sha256:" and hex. A chance hit would
/// keep something too long, no more.
std::vector<Digest> digests_in(std::string_view value, const std::function<bool(const Digest&)>& is_known);

struct MaterialisedDelta {
    std::string spelling;
    DeltaId id;
    std::int64_t modified = 0;  ///< unix seconds
};
/// Each directory deltas/<spelling>/<DeltaId>, in order; what has another name is the sandbox's own.
std::vector<MaterialisedDelta> materialised_deltas(const Directory& root);

}  // namespace imgbuild::layerstore::detail
