// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "fetch/refusal.h"
#include "fetch/registries/route.h"
#include "fetch/registry_session.h"
#include "layerstore/image/descriptor.h"

namespace imgbuild::fetch {
namespace {

std::string tag_or_digest(const layerstore::Reference& reference) {
    return reference.digest ? reference.digest->text() : reference.tag;
}

void check_digest(const Fetched& fetched, const layerstore::Reference& reference, const std::string& subject) {
    if (reference.digest && fetched.digest != *reference.digest)
        throw Error(ErrorKind::invalid_input,
                    fmt::format("{}: the registry sent other bytes ({})", subject, fetched.digest.text()));
}

Wanted wanted_from(RegistrySession& session, const std::string& kind, bool is_last) {
    const layerstore::Reference& reference = session.endpoint().reference;
    Wanted wanted;
    wanted.subject = session.subject(kind, tag_or_digest(reference));
    wanted.url = session.url(kind + "s/" + tag_or_digest(reference));
    wanted.own = session.endpoint().headers;
    wanted.authorizer = &session.authorizer();
    wanted.pinned = reference.digest.has_value();
    if (!is_last) wanted.tries = 1;
    return wanted;
}

// Whether another registry may do better; what is our own trouble stays.
bool may_be_elsewhere(ErrorKind kind) {
    return kind == ErrorKind::not_found || kind == ErrorKind::denied || kind == ErrorKind::unavailable ||
           kind == ErrorKind::invalid_input;
}

// Remembers that bytes went by.
class WatchingWriter final : public ByteWriter {
  public:
    explicit WatchingWriter(ByteWriter& next) : next_(next) {}
    void write(std::span<const std::byte> bytes) override {
        has_written_ = has_written_ || !bytes.empty();
        next_.write(bytes);
    }
    bool has_written() const noexcept { return has_written_; }

  private:
    ByteWriter& next_;
    bool has_written_ = false;
};

// Asks one endpoint after the other. `ask(endpoint, is_last)` returns or throws; `has_written()` tells whether that
// left anything behind.
template <class Ask, class HasWritten>
FetchedFrom ask_in_turn(std::vector<Endpoint> endpoints, const Turn& turn, const Ask& ask,
                        const HasWritten& has_written) {
    const auto first =
        std::ranges::find_if(endpoints, [&](const Endpoint& one) { return one.base.text == turn.first; });
    if (first != endpoints.end()) std::rotate(endpoints.begin(), first, endpoints.end());
    std::vector<std::string> failures;
    for (std::size_t i = std::min(turn.skip, endpoints.size() - 1);; ++i) {
        const bool is_last = i + 1 == endpoints.size();
        try {
            return {ask(endpoints[i], is_last), endpoints[i].base.text};
        } catch (const Error& error) {
            if (!may_be_elsewhere(error.kind())) throw;
            if (is_last && failures.empty()) throw;
            if (is_last)
                throw Error(error.kind(), fmt::format("{}; before that, {}", error.message(), join(failures, "; ")),
                            error.hint());
            if (has_written()) throw AskNext(error, i + 1);
            tell_note(fmt::format("{}; asking {}", error.message(), endpoints[i + 1].reference.domain));
            failures.push_back(error.message());
        }
    }
}

// Who is asked for a manifest, and for which rights.
struct Places {
    std::vector<Endpoint> endpoints;
    Turn turn;
    std::vector<std::string> scopes;
};

FetchedFrom fetch_manifest_from(HttpClient& client, const Places& places, const layerstore::Reference& reference,
                                std::uint64_t limit, ByteWriter& out) {
    MemoryWriter whole;
    const auto ask = [&](const Endpoint& endpoint, bool is_last) {
        RegistrySession session(client, endpoint, places.scopes);
        Wanted wanted = wanted_from(session, "manifest", is_last);
        wanted.headers.push_back(accept_manifests());
        wanted.limit = limit;
        whole = MemoryWriter();
        return fetch_manifest_in(session, reference, is_last, limit, whole);
    };
    FetchedFrom answer = ask_in_turn(places.endpoints, places.turn, ask, [] { return false; });
    out.write(as_bytes(whole.bytes()));
    return answer;
}

}  // namespace

std::string accept_manifests() {
    namespace type = layerstore::media_type;
    return fmt::format("Accept: {}, {}, {}, {}", type::oci_index, type::oci_manifest, type::docker_index,
                       type::docker_manifest);
}

FetchedFrom fetch_manifest(HttpClient& client, const layerstore::Reference& reference, std::uint64_t limit,
                           const Turn& turn, ByteWriter& out) {
    const Purpose purpose = reference.digest ? Purpose::pull : Purpose::resolve;
    return fetch_manifest_from(client, {find_route(Surroundings::of_process(), reference, purpose).endpoints, turn, {}},
                               reference, limit, out);
}

std::optional<FetchedFrom> find_manifest(HttpClient& client, const layerstore::Reference& reference, bool to_replace,
                                         std::uint64_t limit, ByteWriter& out) {
    const Purpose purpose = to_replace ? Purpose::push : Purpose::resolve;
    Places places{find_route(Surroundings::of_process(), reference, purpose).endpoints, {}, {}};
    if (to_replace) places.scopes.push_back(push_scope(places.endpoints.front().reference.repository));
    try {
        return fetch_manifest_from(client, places, reference, limit, out);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found) throw;
        return std::nullopt;
    }
}

FetchedFrom fetch_blob(HttpClient& client, const layerstore::Reference& reference, std::uint64_t size, const Turn& turn,
                       ByteWriter& out) {
    WatchingWriter watched(out);
    const auto ask = [&](const Endpoint& endpoint, bool is_last) {
        RegistrySession session(client, endpoint);
        Wanted wanted = wanted_from(session, "blob", is_last);
        wanted.limit = size;
        wanted.size = size;
        Fetched fetched = transfer(client, wanted, watched);
        check_digest(fetched, reference, wanted.subject);
        return fetched;
    };
    return ask_in_turn(find_route(Surroundings::of_process(), reference, Purpose::blob).endpoints, turn, ask,
                       [&] { return watched.has_written(); });
}

}  // namespace imgbuild::fetch
