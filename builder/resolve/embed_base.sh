#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the root file system of the default base and the source that puts its bytes into the program. The digest
# stands in that source: then no build hashes two megabytes, and another archive is another source to compile.
#
# usage: embed_base.sh MAKE_BUSYBOX BUSYBOX OUTPUT.tar OUTPUT.cc
set -euo pipefail

make_busybox=${1:?usage: embed_base.sh MAKE_BUSYBOX BUSYBOX OUTPUT.tar OUTPUT.cc}
busybox=${2:?} archive=${3:?} source=${4:?}

"$make_busybox" "$archive" "$busybox"
digest=$(sha256sum "$archive" | cut -d ' ' -f 1)

cat >"$source" <<END
// Made by embed_base.sh: the root file system of the default base.
#include "builder/resolve/detail/embedded_base.h"

asm(".pushsection .rodata\n"
    ".balign 16\n"
    ".globl imgbuild_embedded_base_begin, imgbuild_embedded_base_end\n"
    ".hidden imgbuild_embedded_base_begin, imgbuild_embedded_base_end\n"
    "imgbuild_embedded_base_begin:\n"
    ".incbin \"$archive\"\n"
    "imgbuild_embedded_base_end:\n"
    ".popsection\n");

extern "C" __attribute__((visibility("hidden"))) const char imgbuild_embedded_base_begin[];
extern "C" __attribute__((visibility("hidden"))) const char imgbuild_embedded_base_end[];

namespace imgbuild::builder::detail {

EmbeddedBase embedded_base() {
    return {{imgbuild_embedded_base_begin, imgbuild_embedded_base_end}, "sha256:$digest", "$(uname -m)"};
}

}  // namespace imgbuild::builder::detail
END
