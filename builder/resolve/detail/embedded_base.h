// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the build of the program put into it: the root file system of the default base (embed_base.sh).

#include <string_view>

namespace imgbuild::builder::detail {

struct EmbeddedBase {
    std::string_view tar;      ///< its pages are read from the program's file when somebody looks at them
    std::string_view digest;   ///< of those bytes, "sha256:…"
    std::string_view machine;  ///< whose programs it holds, as the kernel calls it: "x86_64"
};

EmbeddedBase embedded_base();

}  // namespace imgbuild::builder::detail
