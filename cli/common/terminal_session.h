// SPDX-License-Identifier: Apache-2.0
#pragma once

// Our own streams as the other side of a command that runs in a sandbox: bytes are carried, descriptors are not handed
// in. Where standard input is a terminal, it is raw meanwhile and the command has one of its own.

#include <termios.h>

#include <optional>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "builder/sandbox/sandbox.h"

namespace imgbuild::cli {

class TerminalSession {
  public:
    /// True if standard input is a terminal, and standard output or error, too.
    static bool is_possible() noexcept;

    /// A terminal where that is possible, else pipes.
    TerminalSession();
    TerminalSession(const TerminalSession&) = delete;
    TerminalSession& operator=(const TerminalSession&) = delete;
    /// Carries nothing any more, and leaves the terminal as it was.
    ~TerminalSession();

    /// The size of our terminal; empty without one.
    const std::optional<builder::TerminalSize>& size() const noexcept { return size_; }
    /// For one command; begins to carry.
    builder::Attachment attach();
    /// The command has ended: carries what it wrote to the end. What it left of our input stays there for others only
    /// where it is a terminal.
    void finish();

  private:
    class Flow;

    void start(std::vector<Flow> flows, Fd terminal);
    void carry(std::vector<Flow> flows, const Fd& terminal);
    void stop() noexcept;

    std::optional<builder::TerminalSize> size_;
    std::optional<termios> found_;  ///< settings of our terminal
    Fd resized_;                    ///< an eventfd: the size changed
    Fd stopped_;                    ///< an eventfd
    std::thread thread_;
};

}  // namespace imgbuild::cli
