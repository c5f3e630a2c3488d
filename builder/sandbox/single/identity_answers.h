// SPDX-License-Identifier: Apache-2.0
#pragma once

// Answers for the calls that set ids and ask for them, and for the limit that carries them (credential_table.h).

#include <optional>

#include "builder/sandbox/intercept/listener.h"
#include "builder/sandbox/intercept/task.h"
#include "builder/sandbox/single/credential_table.h"

namespace imgbuild::builder {

/// Empty for other calls.
std::optional<CallAnswer> answer_about_ids(const WaitingCall& call, const Task& task, CredentialTable& table);

}  // namespace imgbuild::builder
