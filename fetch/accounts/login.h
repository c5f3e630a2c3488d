// SPDX-License-Identifier: Apache-2.0
#pragma once

// Logging in: asking a registry whether it knows somebody, before his credential is kept.

#include "fetch/accounts/credential.h"
#include "fetch/http.h"
#include "fetch/registries/route.h"

namespace imgbuild::fetch {

/// Returns where the registry at `endpoint` takes the credential. Error{denied} where it does not, {unavailable} where
/// it cannot be asked.
void check_login(HttpClient& client, const Endpoint& endpoint, const Credential& credential);

}  // namespace imgbuild::fetch
