// SPDX-License-Identifier: Apache-2.0
#pragma once

// Overlay gives a lower file that has several names a file of its own under the one by which it is changed. So does
// this, in a plain directory, before the change.

#include <sys/stat.h>

#include <string>

namespace imgbuild::builder {

/// Makes the name at `path`, of a file that stat calls `status`, a file of its own with the same bytes, owner, mode,
/// attributes and time. Throws Error.
void make_own_file(const std::string& path, const struct stat& status);

}  // namespace imgbuild::builder
