// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where credentials are looked for, in this order; the first place that has one for the registry ends the search:
//
//   $REGISTRY_AUTH_FILE                       (also what --authfile says)
//   $DOCKER_AUTH_CONFIG                       its value is the document
//   $DOCKER_CONFIG/config.json
//   $XDG_RUNTIME_DIR/containers/auth.json
//   $XDG_CONFIG_HOME/containers/auth.json     ~/.config where it is not set
//   ~/.docker/config.json
//   ~/.dockercfg

#include <optional>
#include <string>
#include <vector>

#include "fetch/accounts/credential.h"
#include "fetch/surroundings.h"

namespace imgbuild::fetch {

struct CredentialPlace {
    std::string name;       ///< a path, or "$DOCKER_AUTH_CONFIG"
    bool is_named = false;  ///< by a variable: where it does not exist, it is the one to be made
    bool is_text = false;   ///< it is no file but the variable's value
};
std::vector<CredentialPlace> credential_places(const Surroundings& surroundings);

struct CredentialSearch {
    Credential credential;  ///< empty where nobody has one
    ConfigurationSteps steps;
};

/// Searches for a credential for `repository` (may be empty) of `domain`. Error for a place that cannot be read.
CredentialSearch search_credential(const Surroundings& surroundings, const std::string& domain,
                                   const std::string& repository);

/// Enters a credential for `domain` where it will be found first: in the first place that exists or that a variable
/// names, else ~/.docker/config.json, and by the helper that is configured there. Gives the place's name.
std::string save_credential(const Surroundings& surroundings, const std::string& domain, const Credential& credential);

/// Takes the credentials for `domain` out of every place that has them, helpers too; their names. Those of the
/// environment cannot be taken out.
std::vector<std::string> remove_credentials(const Surroundings& surroundings, const std::string& domain);

}  // namespace imgbuild::fetch
