// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry_session.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "fetch/accounts/credential_search.h"
#include "fetch/refusal.h"
#include "fetch/transfer.h"

namespace imgbuild::fetch {
namespace {

// What may be sent on to where a redirect points: the others turn into a GET on the way.
bool may_follow(const HttpRequest& request, long status) {
    const bool keeps_method = status == 307 || status == 308;
    return keeps_method || request.method == "GET" || request.method == "HEAD";
}

}  // namespace

std::string push_scope(const std::string& repository) { return "repository:" + repository + ":pull,push"; }

RegistrySession::RegistrySession(HttpClient& client, const layerstore::Reference& reference,
                                 std::vector<std::string> scopes)
    : client_(client),
      reference_(reference),
      address_(Url::parse(registry_address(reference.domain))),
      authorizer_(client, {.registry = address_,
                           .domain = reference.domain,
                           .repository = reference.repository,
                           .scopes = std::move(scopes),
                           .find_credential = [domain = reference.domain, repository = reference.repository] {
                               return search_credential(Surroundings::of_process(), domain, repository).credential;
                           }}) {}

Url RegistrySession::url(const std::string& rest) const {
    return Url::parse(fmt::format("{}/v2/{}/{}", registry_address(reference_.domain), reference_.repository, rest));
}

std::string RegistrySession::subject(std::string_view kind, const std::string& tag_or_digest) const {
    return fmt::format("registry {}: {} {}{}{}", reference_.domain, kind, reference_.repository,
                       Digest::parse(tag_or_digest) ? "@" : ":", tag_or_digest);
}

HttpReply RegistrySession::send(const RegistryRequest& request) {
    bool may_ask = !request.once;
    for (int next_try = 2;;) {
        HttpReply reply = follow(request);
        if (reply.failure.empty() && reply.status == 401 && std::exchange(may_ask, false) && authorizer_.renew(reply))
            continue;
        if (request.once || !may_pass(reply) || next_try > most_tries) return reply;
        wait_before(next_try++, reply);
    }
}

HttpReply RegistrySession::follow(const RegistryRequest& request) {
    HttpRequest http = request.http;
    for (int redirects = 0;; ++redirects) {
        http.headers = request.http.headers;
        if (const std::string value = authorizer_.value(); !value.empty() && http.url.same_origin(address_))
            http.headers.push_back("Authorization: " + value);
        HttpReply reply = client_.send(http);
        const std::string location = reply.header("location");
        if (!reply.failure.empty() || !is_redirect(reply.status) || location.empty() || !may_follow(http, reply.status))
            return reply;
        if (redirects == most_redirects)
            throw Error(ErrorKind::unavailable,
                        fmt::format("{}: more than {} redirects", request.subject, most_redirects));
        http.url = follow_redirect(http.url, location, request.subject);
    }
}

}  // namespace imgbuild::fetch
