// SPDX-License-Identifier: Apache-2.0
#pragma once

// Accounts at registries, through imgbuild-fetch, which alone reads and writes credentials; errors as in fetch.h.

#include <string>
#include <vector>

#include "layerstore/image/reference.h"

namespace imgbuild::builder {

/// Asks the registry `domain` whether it takes user and password, and keeps them where docker and podman look for
/// them. Gives the name of that place.
std::string log_in(const std::string& domain, const std::string& user, const std::string& password);

struct LoggedOut {
    std::vector<std::string> places;  ///< that credentials were taken out of
    std::string left;                 ///< a place that has one still, which is not ours to change; or ""
};
/// Forgets what is known of us at the registry `domain`.
LoggedOut log_out(const std::string& domain);

/// One line of how a registry is reached: what was looked at, and what came of it.
struct RegistryStep {
    std::string place;
    std::string outcome;
};
/// One of the registries that an image may come from.
struct RegistryEndpoint {
    std::string place;                      ///< "https://mirror.example/v2/team/app"
    std::string reason;                     ///< "mirror, by /etc/docker/daemon.json"
    std::string answer;                     ///< what it says of the image; empty where it was not asked
    std::vector<RegistryStep> credentials;  ///< places of credentials up to the one that has some; never a secret
};
struct RegistryRoute {
    std::vector<RegistryStep> configuration;  ///< files, in the order in which they are read
    std::vector<RegistryEndpoint> endpoints;  ///< in the order in which they are asked
};
/// How the image `reference` would be found: with `ask`, each registry is asked for it.
RegistryRoute explain_registry(const layerstore::Reference& reference, bool ask);

}  // namespace imgbuild::builder
