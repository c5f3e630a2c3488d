// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether commands of a platform can run on this machine: by themselves, or by an interpreter that somebody registered
// with binfmt_misc (qemu). Nothing is registered here.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "layerstore/image/descriptor.h"

namespace imgbuild::builder {

/// One file of /proc/sys/fs/binfmt_misc: an interpreter for files that begin with certain bytes.
struct BinaryFormat {
    std::string interpreter;
    bool enabled = false;
    /// Flag F: the interpreter was opened when it was registered, so that it is there in every root file system.
    bool is_open = false;
    std::size_t offset = 0;  ///< bytes before the magic
    std::string magic;
    std::string mask;  ///< as long as the magic

    /// True if a file that begins with `header` is given to the interpreter.
    bool matches(std::string_view header) const noexcept;
};

/// Reads such a file; empty for what goes by the file's name, and what is malformed.
std::optional<BinaryFormat> parse_binary_format(std::string_view text);

/// How a program of `platform` begins, the first 20 bytes of its ELF header; empty for an architecture that we do not
/// know.
std::string program_header(const layerstore::Platform& platform);

/// Error{unsupported} where commands of `platform` cannot run here, with what is missing.
void require_runnable(const layerstore::Platform& platform);

}  // namespace imgbuild::builder
