// SPDX-License-Identifier: Apache-2.0
#pragma once

// RUN: a command in a sandbox, its result remembered.

#include <functional>
#include <string>
#include <string_view>

#include "builder/cache/step_key.h"
#include "builder/solve/file_contents.h"
#include "builder/solve/layer_stack.h"
#include "builder/solve/node_result.h"
#include "builder/solve/run_delta.h"
#include "builder/solve/services.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::builder {

/// What a RUN's result depends on.
StepKey key_of_run(const RunCommand& command, const std::vector<const NodeResult*>& inputs, const Services& services);

/// What becomes of what the command leaves.
RunDeltaRules delta_rules(const RunCommand& command, const Services& services);

/// Everything the sandbox has to know, its layers laid down. Error{not_found} for a required secret or agent that
/// nobody gave.
RunSpec run_spec(const RunCommand& command, const std::vector<const NodeResult*>& inputs, Services& services,
                 FileContents& contents, LayerStack& layers);

/// Runs the command and keeps what it changed, laid down and recorded under `key`. What it prints goes to `output` and,
/// if it fails, into a log of the store. CommandFailed with the last lines and the log's place in its hint, and where
/// somebody wants to look at it, with the state that was left.
RunDelta run_command(RunSpec spec, const layerstore::Tree& root, const RunDeltaRules& rules, Services& services,
                     LayerStack& layers, const std::function<void(std::string_view)>& output);

}  // namespace imgbuild::builder
