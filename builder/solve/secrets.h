// SPDX-License-Identifier: Apache-2.0
#pragma once

// Secrets of the command line, read at the moment they are needed.

#include <string>

#include "builder/remote/access.h"
#include "builder/solve/solver.h"

namespace imgbuild::builder {

/// The bytes of the secret `id`, at most 500 KiB. Error{not_found} where its file or variable is missing.
std::string read_secret(const std::string& id, const SecretSource& source);

/// Looks secrets up in `settings`, which is borrowed.
FindSecret find_secret_in(const RunSettings& settings);

/// The socket of the agent called "default"; empty where there is none.
std::string default_ssh_socket(const RunSettings& settings);

}  // namespace imgbuild::builder
