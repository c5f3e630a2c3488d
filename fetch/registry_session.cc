// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry_session.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "fetch/accounts/credential_search.h"
#include "fetch/refusal.h"

namespace imgbuild::fetch {
namespace {

// What may be sent on to where a redirect points: the others turn into a GET on the way.
bool may_follow(const HttpRequest& request, long status) {
    const bool keeps_method = status == 307 || status == 308;
    return keeps_method || request.method == "GET" || request.method == "HEAD";
}

// Where an insecure registry is: behind TLS that nobody vouches for, or without. Nothing secret is sent by the question.
Endpoint settled(HttpClient& client, Endpoint endpoint) {
    client.use_tls([endpoint](const Url& url) { return endpoint.tls_for(url); });
    if (!endpoint.may_be_plain || !endpoint.base.is_secure()) return endpoint;
    const HttpReply reply = client.send({.url = Url::parse(endpoint.base.text + "/"), .headers = endpoint.headers});
    if (!reply.failure.empty())
        endpoint.base = Url::parse("http" + endpoint.base.text.substr(std::string_view("https").size()));
    return endpoint;
}

std::function<Credential()> configured_credential(const layerstore::Reference& reference) {
    return [domain = reference.domain, repository = reference.repository] {
        return search_credential(Surroundings::of_process(), domain, repository).credential;
    };
}

// Tokens of configured credentials are shared; whose password is being tried gets one of his own.
RegistryAccess access_to(const Endpoint& endpoint, std::vector<std::string> scopes,
                         std::function<Credential()> find_credential) {
    RegistryAccess access{.registry = endpoint.base,
                          .domain = endpoint.reference.domain,
                          .repository = endpoint.reference.repository,
                          .scopes = std::move(scopes),
                          .find_credential = std::move(find_credential)};
    if (access.find_credential) return access;
    access.find_credential = configured_credential(endpoint.reference);
    access.jar_key = fmt::format("{} {} {}", endpoint.base.text, access.repository, join(access.scopes, " "));
    return access;
}

}  // namespace

std::string push_scope(const std::string& repository) { return "repository:" + repository + ":pull,push"; }

RegistrySession::RegistrySession(HttpClient& client, Endpoint endpoint, std::vector<std::string> scopes,
                                 std::function<Credential()> find_credential)
    : client_(client),
      endpoint_(settled(client, std::move(endpoint))),
      authorizer_(client, access_to(endpoint_, std::move(scopes), std::move(find_credential))) {}

RegistrySession session_to_push(HttpClient& client, const layerstore::Reference& repository,
                                std::vector<std::string> more_scopes) {
    Endpoint endpoint = find_route(Surroundings::of_process(), repository, Purpose::push).endpoints.front();
    more_scopes.insert(more_scopes.begin(), push_scope(endpoint.reference.repository));
    return RegistrySession(client, std::move(endpoint), std::move(more_scopes));
}

Url RegistrySession::url(const std::string& rest) const {
    std::string text = fmt::format("{}/{}/{}", endpoint_.base.text, endpoint_.reference.repository, rest);
    if (!endpoint_.name_space.empty()) text += "?ns=" + percent_encoded(endpoint_.name_space);
    return Url::parse(text);
}

Url RegistrySession::root() const { return Url::parse(endpoint_.base.text + "/"); }

std::string RegistrySession::subject(std::string_view kind, const std::string& tag_or_digest) const {
    return fmt::format("registry {}: {} {}{}{}", endpoint_.reference.domain, kind, endpoint_.reference.repository,
                       Digest::parse(tag_or_digest) ? "@" : ":", tag_or_digest);
}

HttpReply RegistrySession::send(const RegistryRequest& request) {
    bool may_ask = !request.once;
    for (int next_try = 2;;) {
        HttpReply reply = follow(request);
        if (reply.failure.empty() && reply.status == 401 && std::exchange(may_ask, false) && authorizer_.renew(reply))
            continue;
        if (request.once || !may_pass(reply) || next_try > request.tries) return reply;
        wait_before(next_try++, reply, endpoint_.reference.domain);
    }
}

HttpReply RegistrySession::follow(const RegistryRequest& request) {
    HttpRequest http = request.http;
    for (int redirects = 0;; ++redirects) {
        http.headers = request.http.headers;
        if (http.url.same_origin(endpoint_.base)) {
            http.headers.insert(http.headers.end(), endpoint_.headers.begin(), endpoint_.headers.end());
            if (const std::string value = authorizer_.value(); !value.empty())
                http.headers.push_back("Authorization: " + value);
        }
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
