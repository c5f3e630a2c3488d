// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is moved into a root where nothing can be mounted, a cache mount's directory, has to come back, also when the
// process that wanted to bring it back was killed. A note in the RUN's work folder says from where to where; who takes
// the folder away later reads it first (docs/formats/snapshot.md).

#include <cstdint>
#include <string>

#include "base/directory.h"

namespace imgbuild::builder {

/// The root's name in a RUN's work folder.
inline constexpr const char* plain_root_name = "root";

/// A directory that something returns to: `within` one of the host that is ours. A command may have written what lies
/// within, so no link is followed there.
struct Home {
    std::string directory;
    ImagePath within;

    Directory open() const { return Directory::open_host(directory).open_directory(within, FollowLinks::never); }
};

/// One directory that is away. It is known by device and inode: a command may have put another one in its place.
struct Return {
    ImagePath place;  ///< in the work folder
    Home home;
    std::string name;  ///< in its home
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
};

/// Before it is moved.
void note_return(const Directory& work, const Return& what);

/// Moves what is still away from a work folder that nobody uses any more to where it belongs, unless something new
/// stands there. A folder without a note is left alone, and a damaged note is worth what can be read of it.
void bring_back(const Directory& work);

}  // namespace imgbuild::builder
