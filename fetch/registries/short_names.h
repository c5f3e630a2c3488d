// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a name without a registry stands for where registries.conf says so.

#include <string>
#include <vector>

#include "fetch/surroundings.h"

namespace imgbuild::fetch {

struct ShortName {
    std::vector<std::string> names;  ///< whole, in the order in which they are asked for
    std::string reason;              ///< "an alias in FILE"
};

/// What `name` ("fedora:40", "team/app") may stand for: its alias, else the name at each of the registries for short
/// names, else what docker means, Docker Hub. Error{usage} where several are possible and the mode is to ask somebody.
ShortName expand_short_name(const Surroundings& surroundings, const std::string& name);

}  // namespace imgbuild::fetch
