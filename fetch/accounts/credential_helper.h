// SPDX-License-Identifier: Apache-2.0
#pragma once

// Programs that keep credentials: docker-credential-NAME get|store|erase, spoken to over standard input and output. They
// are found on our PATH alone, get no argument but the verb, and have 30 seconds and 64 KiB.

#include <optional>
#include <string>

#include "fetch/accounts/credential.h"

namespace imgbuild::fetch {

/// What the helper has for `server`; empty where it says that it has nothing. Error{usage} for a name that is none,
/// {not_found} where it is not installed, {denied} where it fails. No error shows a secret.
std::optional<Credential> ask_credential_helper(const std::string& name, const std::string& server);
void store_by_helper(const std::string& name, const std::string& server, const Credential& credential);
void erase_by_helper(const std::string& name, const std::string& server);

}  // namespace imgbuild::fetch
