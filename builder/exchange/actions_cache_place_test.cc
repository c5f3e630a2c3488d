// SPDX-License-Identifier: Apache-2.0
#include "builder/exchange/actions_cache_place.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <functional>
#include <map>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "builder/fetch/helper_program.h"
#include "builder/fetch/registry_stub.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

// The service's newer protocol, with entries that a test has put there or spoilt.
class Service {
  public:
    std::map<std::string, std::string> entries;  ///< by key
    std::set<std::string> taken;                 ///< keys that somebody took and never wrote
    std::function<bool(const StubRequest&, StubReply&)> override;

    ActionsPlace place() const {
        ActionsPlace place;
        place.service.url = "http://" + stub_.domain() + "/";
        place.service.token = "t0ken";
        place.patience = std::chrono::milliseconds(0);
        return place;
    }
    std::string row(std::uint64_t number) const {
        return fmt::format("imgbuild-imgbuild-{}#{}", Sha256::of("").hex().substr(0, 8), number);
    }

  private:
    void answer(const StubRequest& request, StubReply& reply) {
        if (override && override(request, reply)) return;
        if (request.target.starts_with("/blob/")) {
            std::string& entry = entries[request.target.substr(6)];
            if (request.method == "GET") return reply.send(200, "", entry);
            entry = request.body;
            return reply.send(201, "", "");
        }
        const Json asked = parse_json(request.body, "request");
        const std::string key = asked["key"];
        const std::string address = "http://" + stub_.domain() + "/blob/";
        if (request.target.ends_with("/GetCacheEntryDownloadURL")) {
            const bool is_prefix = !asked["restore_keys"].empty();
            for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry)
                if (is_prefix ? entry->first.starts_with(key) : entry->first == key)
                    return reply.send(200, "",
                                      write_json(Json{{"ok", true},
                                                      {"matched_key", entry->first},
                                                      {"signed_download_url", address + escaped(entry->first)}}));
            return reply.send(200, "", R"({"ok":false})");
        }
        if (request.target.ends_with("/FinalizeCacheEntryUpload")) return reply.send(200, "", R"({"ok":true})");
        if (entries.contains(key) || taken.contains(key))
            return reply.send(409, "", R"({"code":"already_exists","msg":"exists"})");
        reply.send(200, "", write_json(Json{{"ok", true}, {"signed_upload_url", address + escaped(key)}}));
    }

    // "#" begins a fragment.
    static std::string escaped(std::string key) {
        if (const std::size_t at = key.find('#'); at != std::string::npos) key.replace(at, 1, "%23");
        return key;
    }

    RegistryStub stub_{[this](const StubRequest& asked, StubReply& reply) {
        StubRequest request = asked;
        if (const std::size_t at = request.target.find("%23"); at != std::string::npos)
            request.target.replace(at, 3, "#");
        answer(request, reply);
    }};
};

std::string said(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.full_message() + " (" + error.hint() + ")";
    }
    return {};
}

}  // namespace

TEST_CASE("manifests of a cache of GitHub Actions are a row of entries, and the last one counts") {
    Service service;
    const auto cache = actions_cache_target(service.place());
    CHECK(!cache->read_manifest());
    cache->change_manifest([](const auto& there) {
        CHECK(!there);
        return "first";
    });
    cache->change_manifest([](const auto& there) { return there.value() + " second"; });
    CHECK(cache->read_manifest() == "first second");
    CHECK(service.entries.contains(service.row(1)));
    CHECK(service.entries.contains(service.row(2)));
}

TEST_CASE("who comes second under a number reads what the first one wrote") {
    Service service;
    const auto cache = actions_cache_target(service.place());
    int calls = 0;
    cache->change_manifest([&](const auto& there) {
        if (++calls == 1) service.entries[service.row(1)] = "theirs";
        return there.value_or("") + " ours";
    });
    CHECK(calls == 2);
    CHECK(service.entries[service.row(1)] == "theirs");
    CHECK(service.entries[service.row(2)] == "theirs ours");
}

TEST_CASE("keys that a job took and did not live to write are passed over") {
    Service service;
    const auto cache = actions_cache_target(service.place());
    const layerstore::Descriptor blob{.media_type = "layer", .digest = Sha256::of("bytes"), .size = 5};
    const std::string copies = fmt::format("imgbuild-blob-{}#", blob.digest.hex());
    service.taken = {service.row(1), copies + "1"};
    cache->change_manifest([](const auto&) { return "manifest"; });
    CHECK(service.entries[service.row(2)] == "manifest");
    CHECK(!cache->has_blob(blob));
    cache->write_blob(blob, text_as_input("bytes"));
    CHECK(service.entries[copies + "2"] == "bytes");
    CHECK(cache->has_blob(blob));
    MemoryWriter out;
    cache->read_blob(blob, out);
    CHECK(out.bytes() == "bytes");
}

TEST_CASE("what the service says of a refusal is told, and never the token") {
    Service service;
    service.override = [](const StubRequest& request, StubReply& reply) {
        if (!request.target.ends_with("/CreateCacheEntry")) return false;
        reply.send(403, "", R"({"code":"permission_denied","msg":"no scopes for t0ken"})");
        return true;
    };
    const auto cache = actions_cache_target(service.place());
    const std::string refusal = said([&] { cache->change_manifest([](const auto&) { return "manifest"; }); });
    CHECK(refusal.find("access denied (HTTP 403) (the service says: no scopes for …)") != std::string::npos);
    CHECK(refusal.find("t0ken") == std::string::npos);
}

TEST_CASE("answers that no service gives are refused, and a cache that is full of them is none") {
    const std::pair<std::string, std::string> wrong[] = {
        {"no JSON", "its answer is no JSON"},
        {R"({"ok":true})", "makes an entry without an address"},
        {R"({"ok":true,"signed_upload_url":"ftp://127.0.0.1/x?sig=t0ken"})", "only http and https are fetched"},
        {R"({"ok":false,"message":"cache write denied: read only"})", "cache write denied: read only"},
        {"[\"" + std::string(100'000, 'x') + "\"]", "answers more than anybody asked"},
    };
    for (const auto& [answer, complaint] : wrong) {
        CAPTURE(complaint);
        Service service;
        service.override = [&](const StubRequest& request, StubReply& reply) {
            if (request.target.ends_with("/CreateCacheEntry")) reply.send(200, "", answer);
            return request.target.ends_with("/CreateCacheEntry");
        };
        const auto cache = actions_cache_target(service.place());
        const std::string refusal = said([&] { cache->change_manifest([](const auto&) { return "manifest"; }); });
        CHECK(refusal.find(complaint) != std::string::npos);
        CHECK(refusal.find("t0ken") == std::string::npos);
    }
}

TEST_CASE("an entry that is not as long as its blob is an error") {
    Service service;
    const auto cache = actions_cache_target(service.place());
    const layerstore::Descriptor blob{.media_type = "layer", .digest = Sha256::of("bytes"), .size = 5};
    for (const char* entry : {"byte", "bytes and more"}) {
        service.entries[fmt::format("imgbuild-blob-{}#1", blob.digest.hex())] = entry;
        MemoryWriter out;
        CHECK(said([&] { cache->read_blob(blob, out); }).find("the Actions cache at 127.0.0.1") != std::string::npos);
    }
}
