// SPDX-License-Identifier: Apache-2.0
#include "fetch/referrers.h"

#include <fmt/format.h>

#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "base/stream.h"
#include "base/text.h"
#include "fetch/registries/route.h"
#include "fetch/registry.h"
#include "fetch/registry_session.h"
#include "fetch/surroundings.h"
#include "fetch/transfer.h"
#include "layerstore/image/image.h"

namespace imgbuild::fetch {
namespace {

constexpr int most_pages = 100;

// The tag under which clients keep the list where a registry keeps none.
std::string fallback_tag(const Digest& subject) { return "sha256-" + subject.hex(); }

// Empty for what is not there.
std::optional<Fetched> fetch_if_there(HttpClient& client, const Wanted& wanted, ByteWriter& out) {
    try {
        return transfer(client, wanted, out);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found) throw;
        return std::nullopt;
    }
}

Wanted wanted_index(RegistrySession& session, const Url& url, const std::string& subject) {
    Wanted wanted{.url = url, .headers = {accept_manifests()}, .subject = subject};
    wanted.limit = layerstore::max_manifest_bytes;
    wanted.own = session.endpoint().headers;
    wanted.authorizer = &session.authorizer();
    return wanted;
}

// The pages of one answer as one index.
class Pages {
  public:
    explicit Pages(std::string subject) : subject_(std::move(subject)) {}

    void add(const std::string& bytes) {
        layerstore::Index page = layerstore::Index::parse(bytes, subject_);
        if (whole_.media_type.empty()) {
            whole_ = std::move(page);
            return;
        }
        for (layerstore::Descriptor& manifest : page.manifests) whole_.manifests.push_back(std::move(manifest));
    }
    std::string text() const { return whole_.encode(); }

  private:
    std::string subject_;
    layerstore::Index whole_;
};

std::optional<std::string> fetch_from_api(HttpClient& client, RegistrySession& session, const Digest& subject) {
    const std::string what = session.subject("referrers", subject.text());
    Pages pages(what);
    Url url = session.url("referrers/" + subject.text());
    const Url first = url;
    for (int page = 1;; ++page) {
        MemoryWriter body;
        const auto fetched = fetch_if_there(client, wanted_index(session, url, what), body);
        if (!fetched) return std::nullopt;
        pages.add(body.take());
        const std::string next = next_page(fetched->reply.header("link"));
        if (next.empty()) return pages.text();
        if (page == most_pages)
            throw Error(ErrorKind::unavailable, fmt::format("{}: more than {} pages", what, most_pages));
        url = with_context(what, [&] { return url.resolve(next); });
        // Credentials go with it.
        if (!url.same_origin(first))
            throw Error(ErrorKind::unavailable,
                        fmt::format("{}: the next page is at another host, {}", what, url.shown()));
    }
}

}  // namespace

std::string next_page(const std::string& link_header) {
    for (const std::string_view link : split(link_header, ',')) {
        const std::size_t begin = link.find('<');
        const std::size_t end = link.find('>');
        if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) continue;
        for (const std::string_view parameter : split(link.substr(end + 1), ';'))
            if (const std::string word = to_lower(trim(parameter)); word == "rel=next" || word == "rel=\"next\"")
                return std::string(link.substr(begin + 1, end - begin - 1));
    }
    return {};
}

Referrers fetch_referrers(HttpClient& client, const layerstore::Reference& repository, const Digest& subject,
                          bool tag_only) {
    // Mirrors hold images; what refers to one is told by its registry, which is asked last.
    RegistrySession session =
        tag_only ? session_to_push(client, repository)
                 : RegistrySession(
                       client, find_route(Surroundings::of_process(), repository, Purpose::resolve).endpoints.back());
    if (!tag_only)
        if (auto found = fetch_from_api(client, session, subject)) return {*std::move(found), "api"};
    const std::string tag = fallback_tag(subject);
    MemoryWriter body;
    const std::string what = session.subject("manifest", tag);
    if (!fetch_if_there(client, wanted_index(session, session.url("manifests/" + tag), what), body))
        return {"", "none"};
    return {layerstore::Index::parse(body.bytes(), what).encode(), "tag"};
}

}  // namespace imgbuild::fetch
