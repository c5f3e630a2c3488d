// SPDX-License-Identifier: Apache-2.0
#include "cli/common/terminal.h"

#include <unistd.h>

#include "base/error.h"
#include "base/stream.h"

namespace imgbuild::cli {

void print(std::string_view text) { FdWriter(STDOUT_FILENO, "standard output").write(as_bytes(text)); }

void tell(std::string_view text) noexcept {
    try {
        FdWriter(STDERR_FILENO, "standard error").write(as_bytes(text));
    } catch (const std::exception&) {
        // There is nobody left to tell it to.
    }
}

}  // namespace imgbuild::cli
