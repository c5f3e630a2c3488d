// SPDX-License-Identifier: Apache-2.0
#pragma once

// Files of the user's that a command reads: a path, or "-" for standard input.

#include <memory>
#include <string>

#include "base/stream.h"

namespace imgbuild::cli {

struct Input {
    std::unique_ptr<ByteReader> reader;
    std::string name;  ///< as errors call it
};

/// Opens a file that is no directory. Throws Error naming it.
Input open_input(const std::string& path);

}  // namespace imgbuild::cli
