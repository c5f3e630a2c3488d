// SPDX-License-Identifier: Apache-2.0
#pragma once

// Requests to one repository at one endpoint: authorised, tried again where that may help, redirects followed without
// the credentials of the registry.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "fetch/accounts/authorizer.h"
#include "fetch/http.h"
#include "fetch/registries/route.h"
#include "fetch/transfer.h"

namespace imgbuild::fetch {

/// One request; what failed is told by its reply.
struct RegistryRequest {
    HttpRequest http;
    std::string subject;  ///< how errors name it: "registry HOST: blob NAME@sha256:…"
    /// Sent once: neither a new token nor another try; what is uploaded has to ask how far it came first.
    bool once = false;
    int tries = most_tries;
};

class RegistrySession {
  public:
    /// `scopes` as in RegistryAccess. From here on `client` trusts as the endpoint says. An endpoint that may do without
    /// TLS is asked whether it speaks it. Without `find_credential` the configured places are searched.
    RegistrySession(HttpClient& client, Endpoint endpoint, std::vector<std::string> scopes = {},
                    std::function<Credential()> find_credential = nullptr);

    /// "{base}/{repository}/{rest}".
    Url url(const std::string& rest) const;
    /// "{base}/", where a registry says that it is one.
    Url root() const;
    /// "registry HOST: KIND NAME@DIGEST" or "NAME:TAG".
    std::string subject(std::string_view kind, const std::string& tag_or_digest) const;

    /// Any status is a reply, also a failure of the network that did not pass. Throws Error for redirects that must not
    /// be followed, and where no token can be had.
    HttpReply send(const RegistryRequest& request);

    HttpClient& client() noexcept { return client_; }
    Authorizer& authorizer() noexcept { return authorizer_; }
    const Endpoint& endpoint() const noexcept { return endpoint_; }

  private:
    HttpReply follow(const RegistryRequest& request);

    HttpClient& client_;
    Endpoint endpoint_;
    RegistryAuthorizer authorizer_;
};

/// Where the configuration has `repository` pushed to, with the rights to do so and `more_scopes`. Errors as
/// find_route().
RegistrySession session_to_push(HttpClient& client, const layerstore::Reference& repository,
                                std::vector<std::string> more_scopes = {});

}  // namespace imgbuild::fetch
