// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the helper is asked for: one JSON document (docs/formats/helpers.md), carried out here.

#include <nlohmann/json_fwd.hpp>

#include <string_view>

#include "base/stream.h"

namespace imgbuild::fetch {

inline constexpr std::size_t max_request_bytes = 64 * 1024;

/// Carries out the request `text`: the body goes to `out`, what there is to know about it is returned. Error
/// {usage} for a request that does not follow the format, else as fetch_manifest() and its neighbours.
nlohmann::ordered_json carry_out(std::string_view text, ByteWriter& out);

}  // namespace imgbuild::fetch
