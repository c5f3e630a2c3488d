// SPDX-License-Identifier: Apache-2.0
#pragma once

// TOML as JSON values, so that one set of accessors (base/json.h) reads both kinds of configuration.

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

namespace imgbuild::fetch {

/// The document as an object whose members stand in the order of the text; dates and times become strings.
/// Error{invalid_input} "NAME:LINE:COLUMN: …" for what is no TOML 1.0.
nlohmann::ordered_json parse_toml(std::string_view text, const std::string& name);

}  // namespace imgbuild::fetch
