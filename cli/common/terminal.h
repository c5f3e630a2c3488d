// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two streams: results to standard output, everything that is told on the way to standard error.

#include <string_view>

namespace imgbuild::cli {

/// Writes to standard output. Throws Error.
void print(std::string_view text);
/// Writes to standard error; that it is closed or full stops nothing.
void tell(std::string_view text) noexcept;

}  // namespace imgbuild::cli
