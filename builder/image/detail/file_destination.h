// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where an output of one file goes: standard output, a file that appears whole, or what stands at the path and
// takes bytes as they come (a pipe, a device).

#include <functional>
#include <string>

#include "base/stream.h"

namespace imgbuild::builder::detail {

/// A path of the host, cut before its last component.
struct HostPlace {
    std::string parent;  ///< "." where the path names none
    std::string name;    ///< "" for the root directory
};
/// Slashes at the end do not count.
HostPlace place_of(const std::string& path);

/// Refuses a destination that nobody named: Error{usage}.
void require_destination(const std::string& path);

/// Calls `write` with a writer to `path`, "-" being standard output. A file is replaced when `write` has ended, and
/// stays as it is when that throws; a link to a file stays a link. Error{usage} for a terminal and for a directory,
/// Error{not_found} where the folder of the file is missing.
void write_to_file(const std::string& path, const std::function<void(ByteWriter&)>& write);

}  // namespace imgbuild::builder::detail
