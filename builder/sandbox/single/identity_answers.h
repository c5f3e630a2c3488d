// SPDX-License-Identifier: Apache-2.0
#pragma once

// Answers for the calls that set ids and capabilities and ask for them, and for the limit that carries them
// (credential_table.h).

#include <cstdint>
#include <optional>

#include "builder/sandbox/intercept/listener.h"
#include "builder/sandbox/intercept/task.h"
#include "builder/sandbox/single/credential_table.h"

namespace imgbuild::builder {

/// The capabilities that root has in a sandbox.
std::uint64_t root_capabilities(SecurityMode security) noexcept;

/// Empty for other calls.
std::optional<CallAnswer> answer_about_ids(const WaitingCall& call, const Task& task, CredentialTable& table);

}  // namespace imgbuild::builder
