// SPDX-License-Identifier: Apache-2.0
#pragma once

// The last steps of a process that becomes the command of a RUN.

#include <functional>

#include "base/error.h"
#include "builder/sandbox/confine.h"
#include "builder/sandbox/run_spec.h"

namespace imgbuild::builder {

/// Descriptors that the command starts with or in.
struct CommandDescriptors {
    int input = -1;
    int output = -1;
    int error = -1;              ///< with RunSpec::terminal, all three are that terminal
    int working_directory = -1;  ///< opened inside the root
};

/// What a rung without namespaces, or with one id, needs beyond the command's identity.
struct Confinement {
    int root = -1;  ///< becomes the command's root by chroot(2); -1 where the process has it already
    Identity identity = Identity::taken;
    /// Has calls of the command answered by another process from here on; may be empty.
    std::function<void()> hand_over_calls;
};

/// Never returns: executes the command, or calls `report` with what kept the sandbox from being what was asked
/// for and exits, or says in the log why the command cannot be started and exits with 127 or 126.
[[noreturn]] void become_command(const RunSpec& spec, const CommandDescriptors& descriptors,
                                 const Confinement& confinement, const std::function<void(const Error&)>& report);

}  // namespace imgbuild::builder
