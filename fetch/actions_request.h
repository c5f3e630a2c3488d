// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the helper is asked for of the cache service of GitHub Actions (docs/formats/helpers.md).

#include <nlohmann/json_fwd.hpp>

#include <string>

#include "base/stream.h"
#include "fetch/http.h"

namespace imgbuild::fetch {

/// As carry_out(), for the kinds that begin with "actions-".
nlohmann::ordered_json carry_out_actions(HttpClient& client, const std::string& kind,
                                         const nlohmann::ordered_json& request, ByteWriter& out);

}  // namespace imgbuild::fetch
