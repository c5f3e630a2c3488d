// SPDX-License-Identifier: Apache-2.0
#include "fetch/accounts/login.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/stream.h"
#include "fetch/registry_session.h"
#include "fetch/transfer.h"

namespace imgbuild::fetch {
namespace {

constexpr std::uint64_t most_token_bytes = 64 * 1024;

}  // namespace

void check_login(HttpClient& client, const Endpoint& endpoint, const Credential& credential) {
    const std::string& domain = endpoint.reference.domain;
    RegistrySession session(client, endpoint, {}, [&] { return credential; });
    MemoryWriter answer;
    try {
        transfer(client,
                 {.url = session.root(),
                  .own = endpoint.headers,
                  .subject = fmt::format("registry {}: log in", domain),
                  .limit = most_token_bytes,
                  .authorizer = &session.authorizer()},
                 answer);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::denied) throw;
        throw Error(ErrorKind::denied, fmt::format("registry {}: does not take this user and password", domain),
                    error.hint());
    }
}

}  // namespace imgbuild::fetch
