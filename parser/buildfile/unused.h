// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a file declares and nothing in it uses. No check: other readers of the language say nothing of it, and a file
// that they take without a warning is taken without one here, too.

#include <string_view>
#include <vector>

#include "parser/buildfile/buildfile.h"
#include "parser/source/diagnostic.h"

namespace imgbuild::parser {

struct Unused {
    std::string message;  ///< "no stage that is built uses the stage test"
    Span span;
};

/// Stages that `target` (empty: the last stage) does not need, and arguments that nothing behind them names. An ARG
/// in front of a RUN, in its stage or one based on it, counts as used: a program may read it from the environment.
/// Arguments before the first FROM come first, then what each stage has, in order. Empty for a target that does not
/// exist and for files of more than 1,000 instructions.
std::vector<Unused> find_unused(const Buildfile& buildfile, const Source& source, std::string_view target);

}  // namespace imgbuild::parser
