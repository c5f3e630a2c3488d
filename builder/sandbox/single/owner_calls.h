// SPDX-License-Identifier: Apache-2.0
#pragma once

// The calls of a command that would fail or lie where there is one id only, brought to few forms.

#include <optional>
#include <span>

#include "builder/sandbox/intercept/listener.h"

namespace imgbuild::builder {

/// All of them; docs/decisions/0016-owners-on-the-inode.md says what each costs.
std::span<const WatchedCall> owner_calls();

/// A call about a file.
struct FileCall {
    enum class Wish : std::uint8_t {
        status,           ///< stat(2) in all its spellings but statx(2)
        extended_status,  ///< statx(2)
        owner,            ///< chown(2)
        attributes,       ///< listxattr(2)
        open,             ///< open(2) that may make a file
        open_how,         ///< openat2(2)
        directory,        ///< mkdir(2)
        link,             ///< symlink(2)
        node,             ///< mknod(2)
        execute,          ///< execve(2)
        root,             ///< chroot(2)
    };
    Wish wish = Wish::status;
    int directory = -100;      ///< a descriptor of the task, or AT_FDCWD
    std::uint64_t path = 0;    ///< address of the string; 0 for the descriptor itself
    int flags = 0;             ///< of open(2), or AT_ flags
    std::uint64_t buffer = 0;  ///< where the answer goes; open_how: the wish; link: the target's string
    std::uint64_t size = 0;    ///< of the buffer
    std::uint32_t mode = 0;    ///< of what is made; the mask of statx(2)
    std::uint32_t uid = 0;     ///< owner only
    std::uint32_t gid = 0;
    std::uint64_t device = 0;  ///< node only

    bool follows() const noexcept;
};
/// Empty for a call about ids or limits.
std::optional<FileCall> file_call_of(const WaitingCall& call);

}  // namespace imgbuild::builder
