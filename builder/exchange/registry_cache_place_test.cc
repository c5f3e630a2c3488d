// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <functional>
#include <map>

#include "base/error.h"
#include "builder/exchange/cache_place.h"
#include "builder/exchange/cache_records.h"
#include "builder/fetch/helper_program.h"
#include "builder/fetch/registry_stub.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

std::string manifest_of(const std::string& records) {
    CacheManifest manifest;
    manifest.steps = {.media_type = "records", .digest = Sha256::of(records), .size = records.size()};
    return manifest.encode();
}

// A repository: manifests by name and blobs by digest.
class Repository {
  public:
    std::map<std::string, std::string> manifests;
    std::map<std::string, std::string> blobs;
    bool says_digests = true;
    std::function<bool(const StubRequest&, StubReply&)> override;

    std::shared_ptr<CachePlace> open(CacheAccess access = CacheAccess::write) const {
        return registry_cache_place(layerstore::Reference::parse(stub_.domain() + "/team/app:cache"), access);
    }
    int count(std::string_view method, std::string_view part) const {
        int found = 0;
        for (const StubRequest& request : stub_.requests())
            if (request.method == method && request.target.find(part) != std::string::npos) ++found;
        return found;
    }

  private:
    void answer(const StubRequest& request, StubReply& reply) {
        if (override && override(request, reply)) return;
        const std::size_t slash = request.target.rfind('/');
        const std::string name = request.target.substr(slash + 1);
        const bool is_manifest = request.target.find("/manifests/") != std::string::npos;
        auto& kept = is_manifest ? manifests : blobs;
        if (request.method == "PUT" && is_manifest) {
            kept[name] = request.body;
            return reply.send(201, "", "");
        }
        if (request.method == "POST") return reply.send(202, "Location: /v2/team/app/blobs/uploads/1\r\n", "");
        if (request.method == "PUT") {
            blobs[Sha256::of(request.body).text()] = request.body;
            return reply.send(201, "", "");
        }
        if (!kept.contains(name)) return reply.send(404, "", "");
        const std::string said = fmt::format("Docker-Content-Digest: {}\r\n", Sha256::of(kept[name]).text());
        reply.send(200, says_digests ? said : "", kept[name]);
    }

    RegistryStub stub_{[this](const StubRequest& request, StubReply& reply) { answer(request, reply); }};
};

bool is_look_at_tag(const StubRequest& request) {
    return request.method == "HEAD" && request.target.ends_with("/manifests/cache");
}

}  // namespace

TEST_CASE("a cache's tag is changed from nothing, and from what it names") {
    Repository repository;
    for (const bool says_digests : {true, false}) {
        CAPTURE(says_digests);
        repository.says_digests = says_digests;
        repository.manifests.clear();
        const auto cache = repository.open();
        CHECK(!cache->read_manifest());
        cache->change_manifest([](const auto& there) {
            CHECK(!there);
            return manifest_of("first");
        });
        CHECK(repository.manifests.contains(Sha256::of(manifest_of("first")).text()));
        cache->change_manifest([](const auto& there) {
            CHECK(there == manifest_of("first"));
            return manifest_of("second");
        });
        CHECK(repository.open(CacheAccess::read)->read_manifest() == manifest_of("second"));
    }
}

TEST_CASE("a tag that somebody else changed since it was read is read again, and what he wrote is kept") {
    Repository repository;
    int looks = 0;
    repository.override = [&](const StubRequest& request, StubReply&) {
        if (is_look_at_tag(request) && ++looks == 1) repository.manifests["cache"] = manifest_of("theirs");
        return false;
    };
    std::vector<std::optional<std::string>> seen;
    repository.open()->change_manifest([&](const auto& there) {
        seen.push_back(there);
        return manifest_of("ours");
    });
    CHECK(seen == std::vector<std::optional<std::string>>{std::nullopt, manifest_of("theirs")});
    CHECK(repository.manifests["cache"] == manifest_of("ours"));
}

TEST_CASE("nothing is written where the tag has it all") {
    Repository repository;
    repository.manifests["cache"] = manifest_of("records");
    repository.open()->change_manifest([](const auto&) { return std::nullopt; });
    CHECK(repository.count("PUT", "") == 0);
}

TEST_CASE("what the manifest names is there, and is looked for only once the registry refuses a manifest") {
    Repository repository;
    repository.manifests["cache"] = manifest_of("records");
    const auto cache = repository.open();
    REQUIRE(cache->read_manifest());
    const layerstore::Descriptor blob{.media_type = "records", .digest = Sha256::of("records"), .size = 7};
    CHECK(cache->has_blob(blob));
    CHECK(repository.count("HEAD", "/blobs/") == 0);
    int refusals = 0;
    repository.override = [&](const StubRequest& request, StubReply& reply) {
        if (request.method != "PUT" || request.target.find("/manifests/") == std::string::npos || refusals > 0)
            return false;
        ++refusals;
        repository.manifests.erase("cache");
        reply.send(400, "", R"({"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"no such blob"}]})");
        return true;
    };
    cache->change_manifest([&](const auto&) {
        if (!cache->has_blob(blob)) cache->write_blob(blob, text_as_input("records"));
        return manifest_of("more");
    });
    CHECK(repository.blobs.contains(blob.digest.text()));
    CHECK(repository.manifests["cache"] == manifest_of("more"));
}

TEST_CASE("a registry that goes on refusing is an error that says what the registry says") {
    Repository repository;
    repository.override = [](const StubRequest& request, StubReply& reply) {
        if (request.method == "PUT") reply.send(403, "", R"({"errors":[{"message":"read only"}]})");
        return request.method == "PUT";
    };
    try {
        repository.open()->change_manifest([](const auto&) { return manifest_of("records"); });
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.full_message().find("access denied (HTTP 403)") != std::string::npos);
        CHECK(error.hint() == "the server says: read only");
    }
}
