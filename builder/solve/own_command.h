// SPDX-License-Identifier: Apache-2.0
#pragma once

// A command that no Buildfile has: a user's own, in a state of files that a build came by. What it changes is thrown
// away.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "builder/sandbox/run_spec.h"

namespace imgbuild::builder {

struct OwnCommand {
    std::vector<std::string> arguments;    ///< empty for a shell: the image's own, else the one of the tools
    std::optional<TerminalSize> terminal;  ///< where there is one
    std::string terminal_type;             ///< TERM; empty: as the state has it
};

/// Lays an image with statically linked tools down and gives its layers, lowest first. It is shown below tools_place,
/// whose bin/ stands last in the command's PATH.
using FindTools = std::function<std::vector<DeltaId>()>;
inline constexpr const char* tools_place = "/.imgbuild";

/// `spec`, a RUN's, as that of `command`: the same files, mounts, identity and limits, but that of time.
RunSpec as_own_command(RunSpec spec, const OwnCommand& command, const FindTools& find_tools);

}  // namespace imgbuild::builder
