// SPDX-License-Identifier: Apache-2.0
#pragma once

// The calls that name a file, brought to one form: which argument is the path, where it starts, and what is wanted.

#include <optional>
#include <span>

#include "builder/sandbox/intercept/listener.h"

namespace imgbuild::builder {

struct PathCall {
    enum class Wish : std::uint8_t { open, open_how, status, extended_status, access, read_link, mode, link, execute };
    Wish wish = Wish::open;
    int directory = -100;  ///< where a relative path starts: a descriptor of the task, or AT_FDCWD
    std::uint64_t path = 0;
    int flags = 0;             ///< of open(2), or AT_ flags
    std::uint32_t mode = 0;    ///< of a new file, or of access(2)
    std::uint64_t buffer = 0;  ///< where the answer goes; for open_how: where the wish stands
    std::uint64_t buffer_size = 0;
    int new_directory = -100;  ///< link only
    std::uint64_t new_path = 0;

    /// True if a link in the last component is followed.
    bool follows() const noexcept;
};

/// The calls of open(2), stat(2), access(2), readlink(2), chmod(2), link(2) and execve(2) in all their spellings, but
/// those that name a file by its descriptor alone.
std::span<const WatchedCall> path_calls();
/// Empty for another call.
std::optional<PathCall> path_call_of(const WaitingCall& call);

}  // namespace imgbuild::builder
