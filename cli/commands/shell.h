// SPDX-License-Identifier: Apache-2.0
#pragma once

// A shell, or another command of the user's own, in a state of files that a build came by.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "builder/plan/image_resolver.h"
#include "builder/solve/failed_command.h"
#include "builder/solve/own_command.h"
#include "layerstore/store/store.h"

namespace imgbuild::cli {

/// The tools that a shell is given: busybox, as it came with the program.
std::shared_ptr<const builder::ResolvedImage> shell_tools(layerstore::Store& store);

/// Error{usage} "WHAT: standard input is no terminal …", where there is none.
void require_terminal(const std::string& what, const std::string& hint);

/// Runs `arguments`, or a shell where they are empty, by `run` over our own streams, and gives its exit status.
using RunOwnCommand = std::function<builder::RunEnd(const builder::OwnCommand&, const builder::Attachment&)>;
int talk_to(const RunOwnCommand& run, std::vector<std::string> arguments);

/// For build --on-failure=shell: says what failed and opens a shell in the state that it left.
void open_shell_after(builder::FailedState& state, const Error& error);

}  // namespace imgbuild::cli
