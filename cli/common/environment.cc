// SPDX-License-Identifier: Apache-2.0
#include "cli/common/environment.h"

#include <cstdlib>

namespace imgbuild::cli {

std::optional<std::string> process_environment(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
}

}  // namespace imgbuild::cli
