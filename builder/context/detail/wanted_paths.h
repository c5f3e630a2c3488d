// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which part of a context is scanned: what the build's COPY sources name, with what the links there point at.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/directory.h"
#include "base/image_path.h"
#include "parser/ignore/ignore_rules.h"

namespace imgbuild::builder {

/// A tree of names that lead to wanted paths.
struct WantedPaths {
    bool everything = false;  ///< this path is wanted with all that lies below it; then there are no children
    std::map<std::string, WantedPaths, std::less<>> children;

    void add(const ImagePath& path);
};

/// `wanted` with the links on the way to each path, at it and directly inside it followed inside `root`, as COPY
/// follows them; at most 255 for one path. Links that `ignore` (may be null) hides are not followed. What cannot
/// be looked at is wanted as it is: the scan says what is wrong.
WantedPaths resolve_wanted(const Directory& root, const std::vector<ImagePath>& wanted,
                           const parser::IgnoreRules* ignore);

}  // namespace imgbuild::builder
