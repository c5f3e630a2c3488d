// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the token of a job of GitHub Actions says that it may do: a JSON Web Token whose claim "ac" lists scopes, the
// refs of the repository. Nothing of it is verified: the service does that, and refuses what the token does not allow.

#include <string>
#include <string_view>
#include <vector>

namespace imgbuild::builder {

struct ActionsScope {
    std::string ref;  ///< "refs/heads/main"
    bool may_write = false;
};

/// The scopes that the token may read, the one that it may write first; empty for a token of another kind.
std::vector<ActionsScope> scopes_of_actions_token(std::string_view token);

}  // namespace imgbuild::builder
