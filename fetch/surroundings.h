// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the configuration of this user lies.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace imgbuild::fetch {

struct Surroundings {
    /// A variable of the environment; empty where it is not set, or set to nothing.
    std::function<std::optional<std::string>(const std::string&)> variable;

    /// Where the files for all users lie.
    std::string system = "/etc";

    static Surroundings of_process();

    /// "$HOME/rest"; empty without a HOME.
    std::optional<std::string> in_home(const std::string& rest) const;
    /// Below $XDG_CONFIG_HOME, else ~/.config.
    std::optional<std::string> in_config_home(const std::string& rest) const;
};

/// What one place of configuration said, for people; never a secret.
struct ConfigurationStep {
    std::string place;
    std::string outcome;  ///< "not there", "decides for docker.io", "user joe"
};
using ConfigurationSteps = std::vector<ConfigurationStep>;

/// Runs `read`, in which files of the user's or the machine's are read: what they hold wrongly is not the fault of a
/// registry, but Error{usage}.
template <class Read>
decltype(auto) read_as_configuration(Read&& read) {
    try {
        return std::forward<Read>(read)();
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::invalid_input) throw;
        throw Error(ErrorKind::usage, error.full_message(), error.hint());
    }
}

/// The whole file, or nothing where there is none, or only a directory. Error for one that cannot be read or has more
/// than 1 MiB.
std::optional<std::string> read_configuration(const std::string& path);

/// Names of the entries of a folder that end in `suffix` and hold more than that, sorted; none where there is no folder. Error{denied} for one
/// that may not be read.
std::vector<std::string> list_configuration(const std::string& folder, std::string_view suffix);

}  // namespace imgbuild::fetch
