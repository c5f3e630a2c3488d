// SPDX-License-Identifier: Apache-2.0
#pragma once

// How an Error ends the program: the text on standard error and the exit status.

#include <string>

#include "base/error.h"

namespace imgbuild::cli {

namespace exit_status {
inline constexpr int ok = 0;
inline constexpr int step_failed = 1;
inline constexpr int usage = 2;        ///< the command line, the Buildfile, or something that it names and is missing
inline constexpr int unavailable = 3;  ///< a registry, the network, authentication
inline constexpr int mismatch = 4;     ///< `imgbuild verify`: not the same
inline constexpr int not_cached = 5;   ///< --require-cached
inline constexpr int trouble = 6;      ///< no space, corrupt, unsupported, denied here, internal
}  // namespace exit_status

/// The status that `error` ends the program with; 128 + the signal that asked to stop for an interrupted one.
int status_of(const Error& error) noexcept;

/// "imgbuild: …\n", and the hint, made safe line by line, on what follows. With `debug` also the kind and each frame
/// on a line of its own.
std::string describe(const Error& error, bool debug);

}  // namespace imgbuild::cli
