// SPDX-License-Identifier: Apache-2.0
#pragma once

// Requests to one repository of one registry: authorised, tried again where that may help, redirects followed without
// the credentials of the registry.

#include <cstdint>
#include <string>
#include <vector>

#include "fetch/accounts/authorizer.h"
#include "fetch/http.h"
#include "layerstore/image/reference.h"

namespace imgbuild::fetch {

/// What pushing to `repository` is allowed by: "repository:team/app:pull,push".
std::string push_scope(const std::string& repository);

/// One request; what failed is told by its reply.
struct RegistryRequest {
    HttpRequest http;
    std::string subject;  ///< how errors name it: "registry HOST: blob NAME@sha256:…"
    /// Sent once: neither a new token nor another try; what is uploaded has to ask how far it came first.
    bool once = false;
};

class RegistrySession {
  public:
    /// `reference` names the repository; its tag and digest are not looked at. `scopes` as in RegistryAccess.
    RegistrySession(HttpClient& client, const layerstore::Reference& reference, std::vector<std::string> scopes = {});

    /// "{address}/v2/{repository}/{rest}".
    Url url(const std::string& rest) const;
    /// "registry HOST: KIND NAME@DIGEST" or "NAME:TAG".
    std::string subject(std::string_view kind, const std::string& tag_or_digest) const;

    /// Any status is a reply, also a failure of the network that did not pass. Throws Error for redirects that must not
    /// be followed, and where no token can be had.
    HttpReply send(const RegistryRequest& request);

    HttpClient& client() noexcept { return client_; }
    Authorizer& authorizer() noexcept { return authorizer_; }

  private:
    HttpReply follow(const RegistryRequest& request);

    HttpClient& client_;
    layerstore::Reference reference_;
    Url address_;
    RegistryAuthorizer authorizer_;
};

}  // namespace imgbuild::fetch
