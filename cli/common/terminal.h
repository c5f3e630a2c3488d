// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two streams: results to standard output, everything that is told on the way to standard error.

#include <string_view>

namespace imgbuild::cli {

/// Writes to standard output. Throws Error.
void print(std::string_view text);
/// Writes to standard error; that it is closed or full stops nothing. Waits for a slow reader, but not once somebody
/// asked to stop: then what does not fit is dropped.
void tell(std::string_view text) noexcept;
/// Gives each of descriptors 0 to 2 that is closed a file that can be used for nothing, or the next file that is
/// opened would become a standard stream. Before anything else.
void occupy_closed_streams() noexcept;

}  // namespace imgbuild::cli
