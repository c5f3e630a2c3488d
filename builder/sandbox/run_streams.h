// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a command reads from and writes to, in the processes that start it.

#include <functional>
#include <vector>

#include "base/fd.h"
#include "builder/sandbox/run_spec.h"

namespace imgbuild::builder {

/// Descriptors of ours that become the command's, all borrowed; -1 for the null device. With a terminal they are unused,
/// and `when_terminal` gets its other end.
struct RunStreams {
    int input = -1;
    int output = -1;
    int error = -1;
    std::function<void(Fd)> when_terminal;
};

/// Both ends of a terminal.
struct TerminalPair {
    Fd ours;
    Fd commands;
};
/// Of the terminal device that `multiplexer` (a ptmx) makes, with that size, for a command that runs as `owner`.
TerminalPair open_terminal(Fd multiplexer, const TerminalSize& size, const Credentials& owner);

}  // namespace imgbuild::builder
