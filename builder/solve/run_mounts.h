// SPDX-License-Identifier: Apache-2.0
#pragma once

// RUN --mount: what the plan says, as the sandbox wants it.

#include <string_view>
#include <vector>

#include "builder/plan/build_plan.h"
#include "builder/sandbox/run_spec.h"
#include "builder/solve/file_contents.h"
#include "builder/solve/layer_stack.h"
#include "builder/solve/node_result.h"
#include "builder/solve/services.h"

namespace imgbuild::builder {

/// What a mount shows of `input`: the part of a key. Error{not_found} where its source does not exist.
Digest content_of_mount(const RunMount& mount, const NodeResult& input, const StepTimes& times);

/// Of a command that is done whatever is known: cache mounts that say a mode or an owner begin as new, as in BuildKit.
void renew_cache_mounts(const RunCommand& command, Services& services);

bool has_cache_mounts(const RunCommand& command);

/// True if the environment of `spec` has a variable of that name.
bool has_variable(const RunSpec& spec, std::string_view name);

/// Adds the command's mounts to `spec`, with what they show laid down, and the variables that come with them.
/// Error{not_found} for a required secret or agent that nobody gave.
void add_mounts(RunSpec& spec, const RunCommand& command, const std::vector<const NodeResult*>& inputs,
                Services& services, FileContents& contents, LayerStack& layers);

}  // namespace imgbuild::builder
