// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the helper is asked for of a container engine on this machine (docs/formats/helpers.md).

#include <nlohmann/json_fwd.hpp>

#include <string>

#include "base/stream.h"
#include "fetch/http.h"

namespace imgbuild::fetch {

/// As carry_out(), for the kinds that begin with "engine-".
nlohmann::ordered_json carry_out_engine(HttpClient& client, const std::string& kind,
                                        const nlohmann::ordered_json& request, ByteWriter& out);

}  // namespace imgbuild::fetch
