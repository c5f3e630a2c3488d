// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the configuration of this user lies.

#include <functional>
#include <optional>
#include <string>

namespace imgbuild::fetch {

struct Surroundings {
    /// A variable of the environment; empty where it is not set, or set to nothing.
    std::function<std::optional<std::string>(const std::string&)> variable;

    static Surroundings of_process();

    /// "$HOME/rest"; empty without a HOME.
    std::optional<std::string> in_home(const std::string& rest) const;
    /// Below $XDG_CONFIG_HOME, else ~/.config.
    std::optional<std::string> in_config_home(const std::string& rest) const;
};

/// The whole file, or nothing where there is none, or only a directory. Error for one that cannot be read or has more
/// than 1 MiB.
std::optional<std::string> read_configuration(const std::string& path);

}  // namespace imgbuild::fetch
