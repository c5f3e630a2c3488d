// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the environment is read: what decides about a build takes a lookup instead, so that tests bring their own.

#include <optional>
#include <string>

namespace imgbuild::cli {

/// A variable of this process's environment; empty where it is not set.
std::optional<std::string> process_environment(const std::string& name);

}  // namespace imgbuild::cli
