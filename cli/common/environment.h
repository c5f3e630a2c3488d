// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace imgbuild::cli {

/// A variable of this process's environment; empty where it is not set.
std::optional<std::string> process_environment(const std::string& name);

}  // namespace imgbuild::cli
