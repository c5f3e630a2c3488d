// SPDX-License-Identifier: Apache-2.0
#pragma once

// "PATH[:TAG|@DIGEST]": where a layout is, and which image of it is meant.

#include <string>

namespace imgbuild::builder::detail {

struct LayoutPlace {
    std::string path;
    std::string selector;  ///< as find_in_layout() takes it: a tag, "@sha256:…", or empty
};

/// A path may hold ":" and "@" itself: what is a directory as a whole is one. Where nothing is, the path is what stands
/// before the tag or the digest. After both of them ("PATH:TAG@DIGEST") the digest decides.
LayoutPlace read_layout_place(const std::string& text);

}  // namespace imgbuild::builder::detail
