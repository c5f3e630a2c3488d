// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a command may do: identity, capabilities, system calls, limits. Applied by the process that becomes the
// command, as the last things before execve.

#include <vector>

#include "builder/sandbox/run_spec.h"

namespace imgbuild::builder {

/// Docker's default capabilities (chown, dac_override, fsetid, fowner, mknod, net_raw, setgid, setuid, setfcap,
/// setpcap, net_bind_service, sys_chroot, kill, audit_write).
inline constexpr std::uint64_t default_capabilities = 0xa80425fb;

/// The number of a limit that ulimit and --ulimit know by `name`; -1 when there is none.
int resource_of(std::string_view name) noexcept;

/// How a command comes to be who it is to be.
enum class Identity : std::uint8_t {
    taken,     ///< by setting the ids
    answered,  ///< there is one id: its calls are answered as if they had been set (single/)
};

/// Fixed limits, so that those of the caller's shell do not reach a build, then `limits`. Error{denied} when a
/// hard limit cannot be raised that far. Where the identity is answered, the limit of file locks carries it, and is not
/// set: Linux enforces none.
void set_limits(const std::vector<ResourceLimit>& limits, Identity identity);

/// Supplementary groups, group, bounding set, system call filter, user, capabilities, in the one order in which
/// each is still allowed to do the next. Capabilities that this process lacks are not asked for. Set-uid programs keep
/// working: no_new_privs is not set here, and where it is set already they gain nothing.
void take_identity(const Credentials& credentials, SecurityMode security, Identity identity);

/// Signals and abstract sockets of processes outside are out of reach from here on, where the kernel can say so
/// (Landlock, since 6.12): for a command in the host's network or process namespace.
void close_scopes();

/// For a command whose root is `root` by chroot(2) alone: from here on no file outside of it is read, written, made or
/// removed, also by who finds the way out, where the kernel can say so (Landlock, since 5.19). Includes close_scopes().
/// Needs no_new_privs, which it sets: so does take_identity() where nobody may load a filter otherwise.
void keep_below(int root);

/// Sockets of the internet cannot be made from here on: for a command without a network in a namespace that has one.
/// Needs no_new_privs.
void close_network();

/// Gives up every capability: for the init, which only waits.
void drop_all_capabilities();
/// Gives up all but that to kill processes of other users: for an init with which they do not end by themselves.
void keep_killing_capability();
/// Gives up all but those that it takes to answer for the owners of files: to reach them, and the memory of tasks.
void keep_answering_capabilities();

}  // namespace imgbuild::builder
