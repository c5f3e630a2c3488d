// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a command ended, and why.

#include <cstdint>
#include <string>
#include <vector>

#include "base/process.h"

namespace imgbuild::builder {

enum class EndCause : std::uint8_t {
    itself,         ///< it exited, or a signal that somebody sent ended it
    out_of_memory,  ///< the kernel killed it, or a process that it started, for want of memory
    timed_out,      ///< RunSpec::timeout_milliseconds had passed
};

struct RunEnd {
    ExitStatus status;
    EndCause cause = EndCause::itself;
    /// What a command does not have of what it should (limits of RunSpec::budget, a network of its own), and why: one
    /// line each, for people.
    std::vector<std::string> not_enforced;

    /// What it made counts. Where the kernel killed a part of it that is not so, whatever its status says: without the
    /// limit it would have made something else.
    bool ok() const noexcept { return status.ok() && cause == EndCause::itself; }
};

}  // namespace imgbuild::builder
