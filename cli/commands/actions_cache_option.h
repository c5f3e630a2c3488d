// SPDX-License-Identifier: Apache-2.0
#pragma once

// type=gha of --cache-from and --cache-to: attributes as buildx spells them, and what the runner of GitHub Actions says
// in the environment.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "builder/exchange/actions_cache_place.h"
#include "cli/common/option_values.h"

namespace imgbuild::cli {

using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;

struct ActionsCacheOption {
    std::optional<builder::ActionsPlace> place;  ///< empty: it is passed over
    std::string why_not;                         ///< for people; also beside a place that may only be read or written
    bool may_read = true;                        ///< what ACTIONS_CACHE_MODE says
    bool may_write = true;
};

/// Takes its attributes out of `fields`. Error{usage} names the flag, and no value of `token` or `ghtoken`.
ActionsCacheOption read_actions_cache(CsvFields& fields, std::string_view flag, const EnvironmentLookup& environment);

/// `text`, a value of one of the two flags, without the values of its tokens.
std::string without_tokens(std::string_view text);

}  // namespace imgbuild::cli
