// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the process gives up before it reads the first foreign byte.

namespace imgbuild::unpack {

/// A sanitizer opens pipes to look at memory and /proc to look for leaks: a process that confined itself would be
/// reported broken, so that the program does without in such a build.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool is_sanitized = true;
#else
inline constexpr bool is_sanitized = false;
#endif

struct Confinement {
    bool filters_system_calls = false;  ///< false where the kernel has no seccomp or an outer filter refuses it
};

/// Closes every descriptor above the status, forbids new ones, files, core dumps, gains of privilege and more than
/// 1 GiB of memory, and leaves only the system calls that reading, writing and memory need: every other one fails
/// with EPERM, so that a library that tries something goes on without it. Without the filter the rest still
/// stands: it is the second wall, and the process goes on. Cannot be taken back. Throws Error when what every
/// kernel has fails. (Under a sanitizer, which needs more of both, memory and system calls stay unbounded.)
Confinement confine();

}  // namespace imgbuild::unpack
