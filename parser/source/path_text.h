// SPDX-License-Identifier: Apache-2.0
#pragma once

// Paths as they are written in Buildfiles and ignore files, before anything knows what they are relative to.

#include <string>
#include <string_view>

namespace imgbuild::parser {

/// `path` without empty components, "." and "..", which takes a component away. An absolute path stays absolute
/// and cannot climb above the root ("/a/../../b/" is "/b"); a relative one may keep ".." in front, and is ""
/// when nothing is left.
std::string clean_path(std::string_view path);

}  // namespace imgbuild::parser
