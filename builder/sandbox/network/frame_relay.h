// SPDX-License-Identifier: Apache-2.0
#pragma once

// Carries frames between the interface of a command and the program that is its way out, which is started with the first
// frame that asks for somebody: a command that reaches for nothing costs no process.

#include <poll.h>

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "builder/sandbox/network/uplink.h"
#include "builder/sandbox/network/uplink_process.h"

namespace imgbuild::builder {

class FrameRelay {
  public:
    /// What a process that has other things to wait for as well waits for.
    using Events = std::array<pollfd, 2>;

    /// `frames` is what make_step_interface() gave. `folder` is for the program's socket; `log` (borrowed) gets a line
    /// when there is no way out after all.
    FrameRelay(Fd frames, Uplink uplink, std::string folder, int log);

    Events events() const noexcept;
    /// Does what events() announced once poll(2) filled them in.
    void serve(const Events& events);

  private:
    void take_from_interface();
    void pass_on(std::span<const std::byte> frame);
    void start_next();
    void program_failed(const std::string& words);

    Fd frames_;
    Uplink uplink_;
    std::string folder_;
    int log_;
    std::size_t next_ = 0;  // of the programs
    std::unique_ptr<UplinkProcess> process_;
    std::vector<std::byte> frame_;
    std::string failures_;
};

}  // namespace imgbuild::builder
