// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who somebody is for a registry. A credential exists in this process only: no message, argument or file of ours but
// those that `login` is asked to write holds one.

#include <string>

namespace imgbuild::fetch {

struct Credential {
    std::string user;
    std::string password;
    std::string identity_token;  ///< OAuth 2 refresh token: is exchanged for a token, and never sent to the registry
    std::string registry_token;  ///< is sent to the registry as it is

    bool is_empty() const noexcept {
        return user.empty() && password.empty() && identity_token.empty() && registry_token.empty();
    }
    /// Value of an Authorization header: "Basic …"; empty where there is no user.
    std::string basic() const;
};

}  // namespace imgbuild::fetch
