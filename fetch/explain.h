// SPDX-License-Identifier: Apache-2.0
#pragma once

// How an image would be found: the files that say so, the registries in the order in which they are asked, what each of
// them answers, and where credentials for it are looked for.

#include <string>
#include <vector>

#include "fetch/http.h"
#include "fetch/registries/route.h"

namespace imgbuild::fetch {

struct ExplainedEndpoint {
    std::string place;               ///< "https://mirror.example/v2/proxy/alpine"
    std::string reason;              ///< as in Endpoint
    std::string answer;              ///< "sha256:…, by HTTP/2", or why there is none; empty where nobody was asked
    ConfigurationSteps credentials;  ///< up to the one that has some; never a secret
};

struct Explanation {
    ConfigurationSteps configuration;
    std::vector<ExplainedEndpoint> endpoints;
};

/// Asks every endpoint that `reference` may come from, unless there is no `client`. What an endpoint refuses is part of
/// the answer; Error for configuration that cannot be read, or that blocks the name.
Explanation explain(HttpClient* client, const layerstore::Reference& reference);

}  // namespace imgbuild::fetch
