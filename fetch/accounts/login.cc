// SPDX-License-Identifier: Apache-2.0
#include "fetch/accounts/login.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/stream.h"
#include "fetch/accounts/authorizer.h"
#include "fetch/transfer.h"

namespace imgbuild::fetch {
namespace {

constexpr std::uint64_t most_token_bytes = 64 * 1024;

}  // namespace

void check_login(HttpClient& client, const std::string& domain, const Credential& credential) {
    const Url registry = Url::parse(registry_address(domain));
    RegistryAuthorizer authorizer(
        client, {.registry = registry, .domain = domain, .repository = {}, .scopes = {}, .find_credential = [&] {
                     return credential;
                 }});
    MemoryWriter answer;
    try {
        transfer(client,
                 {.url = registry.resolve("/v2/"),
                  .subject = fmt::format("registry {}: log in", domain),
                  .limit = most_token_bytes,
                  .authorizer = &authorizer},
                 answer);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::denied) throw;
        throw Error(ErrorKind::denied, fmt::format("registry {}: does not take this user and password", domain),
                    error.hint());
    }
}

}  // namespace imgbuild::fetch
