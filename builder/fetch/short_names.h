// SPDX-License-Identifier: Apache-2.0
#pragma once

// Names without a registry. They mean Docker Hub, as docker has it, unless a registries.conf of this machine gives them
// another meaning, as podman has it.

#include <string>
#include <vector>

namespace imgbuild::builder {

struct ShortName {
    std::vector<std::string> names;  ///< that it may stand for, in the order in which they are asked for; never empty
    std::string reason;              ///< "an alias in FILE"; empty where the name is taken as it is
};

/// What `name` stands for: itself where it holds a registry, or where it means what docker means. Error{usage} where
/// the configuration leaves it open or cannot be understood.
ShortName expand_short_name(const std::string& name);

/// True if one of `texts`, the files of the configuration, may give `short_name` (no tag) a meaning: what says no here
/// need not be read by imgbuild-fetch, which takes longer than a cached build.
bool may_have_meaning(const std::vector<std::string>& texts, const std::string& short_name);

}  // namespace imgbuild::builder
