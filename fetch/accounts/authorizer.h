// SPDX-License-Identifier: Apache-2.0
#pragma once

// How requests to one registry are authorised: with nothing until it asks, then as it asks, by a bearer token or by
// name and password. A token that is no longer taken is replaced by a new one.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fetch/accounts/challenge.h"
#include "fetch/accounts/credential.h"
#include "fetch/http.h"

namespace imgbuild::fetch {

/// Gives the value of the Authorization header for one origin.
class Authorizer {
  public:
    virtual ~Authorizer() = default;
    /// As far as known; may be empty.
    virtual std::string value() const = 0;
    /// Reads a 401 and looks for a better value. False where there is none. Throws Error.
    virtual bool renew(const HttpReply& refusal) = 0;
};

/// What a registry is asked for, and by whom.
struct RegistryAccess {
    Url registry;
    std::string domain;      ///< as messages name it
    std::string repository;  ///< as messages name it
    /// "repository:team/app:pull,push"; empty: those that the registry names.
    std::vector<std::string> scopes;
    /// Asked once, at the first 401.
    std::function<Credential()> find_credential = nullptr;
    /// Under which a token is shared with other helpers; empty: it is not.
    std::string jar_key = {};
};

class RegistryAuthorizer final : public Authorizer {
  public:
    RegistryAuthorizer(HttpClient& client, RegistryAccess access);

    std::string value() const override { return value_; }
    bool renew(const HttpReply& refusal) override;

  private:
    const Credential& credential();
    std::string token_for(const Challenge& challenge);
    std::string fetch_token(const Challenge& challenge);
    std::string exchange_identity(const Challenge& challenge, const Url& realm);
    std::vector<std::string> scopes_for(const Challenge& challenge) const;
    void check_realm(const Url& realm, const std::string& subject);
    std::string subject() const;

    HttpClient& client_;
    RegistryAccess access_;
    std::optional<Credential> credential_;
    std::string value_;
};

/// Where the token that a challenge asks for is got.
std::string token_address(const Challenge& challenge, const std::vector<std::string>& scopes,
                          const std::string& account = {});

/// True if credentials for a registry at `host` may go to a token server at `realm`: the same host, or one of the same
/// organisation's domain ("registry.example.com" and "auth.example.com").
bool is_related_host(std::string_view host, std::string_view realm);

}  // namespace imgbuild::fetch
