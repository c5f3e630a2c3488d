// SPDX-License-Identifier: Apache-2.0
#pragma once

// A running program of uplink.h, in a process namespace of its own: whatever becomes of us, and whoever the program
// becomes, the kernel ends it when its keeper ends, which is when we do.

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/fd.h"
#include "builder/sandbox/network/frames.h"
#include "builder/sandbox/network/uplink.h"

namespace imgbuild::builder {

class UplinkProcess {
  public:
    /// Starts the program; slirp's socket is made in `folder` for a moment. Throws Error. The caller has one thread.
    UplinkProcess(const UplinkProgram& program, bool has_ipv6, const std::string& folder);
    UplinkProcess(const UplinkProcess&) = delete;
    UplinkProcess& operator=(const UplinkProcess&) = delete;
    /// Ends it.
    ~UplinkProcess();

    FramePort& port() noexcept { return *port_; }
    /// The last line of what it said on its standard error.
    std::string last_words() const;

  private:
    void start(const UplinkProgram& program, bool has_ipv6, const std::string& folder, Fd given);
    FramePort connect(const std::string& folder);
    void end() noexcept;

    pid_t keeper_ = -1;
    Fd said_;      // a file in memory
    Fd lifeline_;  // slirp ends when it closes
    std::optional<FramePort> port_;
};

}  // namespace imgbuild::builder
