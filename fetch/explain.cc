// SPDX-License-Identifier: Apache-2.0
#include "fetch/explain.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "fetch/accounts/credential_search.h"
#include "fetch/refusal.h"
#include "fetch/registry.h"
#include "fetch/registry_session.h"

namespace imgbuild::fetch {
namespace {

// What a tag or digest means there, without the document.
std::string ask(HttpClient& client, const Endpoint& endpoint) {
    try {
        RegistrySession session(client, endpoint);
        const layerstore::Reference& reference = endpoint.reference;
        const std::string name = reference.digest ? reference.digest->text() : reference.tag;
        RegistryRequest request{{.url = session.url("manifests/" + name), .method = "HEAD"},
                                session.subject("manifest", name)};
        request.http.headers = {accept_manifests()};
        request.tries = 1;
        const HttpReply reply = session.send(request);
        if (!reply.failure.empty() || reply.status != 200) refuse_reply(reply, request.subject);
        const std::string digest = printable(reply.header("docker-content-digest").substr(0, 100));
        return fmt::format("{}, by {}HTTP/{}", digest.empty() ? "there" : digest,
                           session.root().is_secure() ? "TLS and " : "", reply.version);
    } catch (const Error& error) {
        return error.hint().empty() ? error.message() : fmt::format("{} ({})", error.message(), error.hint());
    }
}

}  // namespace

Explanation explain(HttpClient* client, const layerstore::Reference& reference) {
    const Surroundings surroundings = Surroundings::of_process();
    Route route = find_route(surroundings, reference, reference.digest ? Purpose::pull : Purpose::resolve);
    Explanation all{std::move(route.steps), {}};
    for (const Endpoint& endpoint : route.endpoints) {
        ExplainedEndpoint one{.place = fmt::format("{}/{}", endpoint.base.text, endpoint.reference.repository),
                              .reason = endpoint.reason,
                              .answer = {},
                              .credentials = {}};
        if (client) one.answer = ask(*client, endpoint);
        one.credentials =
            search_credential(surroundings, endpoint.reference.domain, endpoint.reference.repository).steps;
        all.endpoints.push_back(std::move(one));
    }
    return all;
}

}  // namespace imgbuild::fetch
