// SPDX-License-Identifier: Apache-2.0
#pragma once

// One request to imgbuild-fetch, as docs/formats/helpers.md has it.

#include <nlohmann/json_fwd.hpp>

#include <string_view>

#include "base/fd.h"
#include "base/stream.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder::detail {

inline constexpr std::string_view fetch_helper = "imgbuild-fetch";

/// Runs one request and gives the status: of a success, or one that has `skip`, by which a failure says that another
/// registry can be asked; `data` is the file that it speaks of, or empty. Whoever needs a digest hashes
/// what went into `out`: the helper reads what strangers send, and is not believed.
nlohmann::ordered_json run_fetch(const nlohmann::ordered_json& request, ByteWriter& out, const Fd& data = Fd());

nlohmann::ordered_json request_for(const char* kind, const layerstore::Reference& reference);

}  // namespace imgbuild::builder::detail
