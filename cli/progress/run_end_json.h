// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a command ended, for programs: in rawjson progress and in records of builds (docs/formats/build-record.md).

#include "base/json.h"
#include "builder/sandbox/run_end.h"

namespace imgbuild::cli {

/// {"exit_code": 137, "signal": 9, "cause": "out_of_memory"}; without a signal where none ended it. `cause` is "exit",
/// "signal", "out_of_memory" or "timeout".
Json json_of(const builder::RunEnd& end);

}  // namespace imgbuild::cli
