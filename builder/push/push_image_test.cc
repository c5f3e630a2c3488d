// SPDX-License-Identifier: Apache-2.0
#include "builder/push/push_image.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <mutex>
#include <set>

#include "base/error.h"
#include "base/temporary_directory.h"
#include "base/text.h"
#include "builder/fetch/registry_stub.h"
#include "layerstore/image/image.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using layerstore::Descriptor;
namespace media_type = imgbuild::layerstore::media_type;

namespace {

// Keeps what is pushed to it. A test may look at a request first, and answer it instead.
class KeepingRegistry {
  public:
    using Override = std::function<bool(const StubRequest&, StubReply&)>;
    explicit KeepingRegistry(Override override = nullptr) : override_(std::move(override)) {}

    std::string name(const std::string& rest) const { return stub_.domain() + "/" + rest; }
    bool has(const std::string& path) {
        const std::lock_guard lock(mutex_);
        return kept_.contains("/v2/" + path);
    }
    void put(const std::string& path) {
        const std::lock_guard lock(mutex_);
        kept_["/v2/" + path] = "there";
    }
    /// "PUT /v2/…" of all requests that begin so, in order.
    std::vector<std::string> asked(std::string_view method) const {
        std::vector<std::string> lines;
        for (const StubRequest& request : stub_.requests())
            if (request.method == method) lines.push_back(request.target);
        return lines;
    }
    std::vector<StubRequest> requests() const { return stub_.requests(); }

  private:
    void answer(const StubRequest& request, StubReply& reply) {
        if (override_ && override_(request, reply)) return;
        const std::lock_guard lock(mutex_);
        const std::string path = request.target.substr(0, request.target.find('?'));
        if (request.method == "HEAD") return reply.send(kept_.contains(path) ? 200 : 404, "", "");
        if (request.method == "POST") {
            const std::size_t from = request.target.find("&from=");
            const std::size_t mount = request.target.find("mount=sha256%3A");
            if (from != std::string::npos) {
                const std::string hex = request.target.substr(mount + 15, 64);
                std::string other = request.target.substr(from + 6);
                for (std::size_t at = 0; (at = other.find("%2F", at)) != std::string::npos;) other.replace(at, 3, "/");
                if (kept_.contains(fmt::format("/v2/{}/blobs/sha256:{}", other, hex))) return reply.send(201, "", "");
            }
            return reply.send(202, fmt::format("Location: {}{}?state=a%2Fb\r\n", path, ++sessions_), "");
        }
        if (request.method == "PUT") {
            const std::size_t digest = request.target.find("digest=sha256%3A");
            const std::size_t uploads = path.find("/uploads/");
            const std::string place = uploads == std::string::npos
                                          ? path
                                          : path.substr(0, uploads) + "/sha256:" + request.target.substr(digest + 16);
            kept_[place] = request.body;
            return reply.send(201, "", "");
        }
        reply.send(404, "", "");
    }

    Override override_;
    std::mutex mutex_;
    std::map<std::string, std::string> kept_;
    int sessions_ = 0;
    RegistryStub stub_{[this](const StubRequest& request, StubReply& reply) { answer(request, reply); }};
};

// An image of one layer in a store of its own.
struct Pushed {
    TemporaryDirectory folder = TemporaryDirectory::create();
    layerstore::BlobStore blobs{folder.directory().duplicate(), folder.directory().duplicate()};
    Descriptor layer{.media_type = std::string(media_type::oci_layer), .digest = Sha256::of("layer"), .size = 5};
    Descriptor root;
    std::vector<PushReport> reports;

    explicit Pushed(bool with_layer = true) {
        if (with_layer) blobs.put("layer");
        layerstore::ImageConfig config;
        config.diff_ids = {{layer.digest}};
        layerstore::Manifest manifest{.media_type = std::string(media_type::oci_manifest)};
        manifest.config = {.media_type = std::string(media_type::oci_config),
                           .digest = blobs.put(config.encode()),
                           .size = config.encode().size()};
        manifest.layers = {layer};
        const std::string bytes = manifest.encode();
        root = {.media_type = manifest.media_type, .digest = blobs.put(bytes), .size = bytes.size()};
    }

    void push(const std::vector<std::string>& names, PushSource source, const PushOptions& options = {}) {
        push_image(source, names, options, [&](const PushReport& report) { reports.push_back(report); });
    }
    void push(const std::vector<std::string>& names) { push(names, {.blobs = blobs, .root = root}); }
};

}  // namespace

TEST_CASE("an image is pushed blobs first, then its manifest under its digest, then under its tags") {
    KeepingRegistry registry;
    Pushed image;
    image.push({registry.name("team/app:1"), registry.name("team/app:2")});
    CHECK(registry.has("team/app/blobs/" + image.layer.digest.text()));
    const auto puts = registry.asked("PUT");
    REQUIRE(puts.size() == 5);
    CHECK(puts[0].starts_with("/v2/team/app/blobs/uploads/1?state=a%2Fb&digest=sha256%3A"));
    CHECK(puts[2] == "/v2/team/app/manifests/" + image.root.digest.text());
    CHECK(puts[3] == "/v2/team/app/manifests/1");
    CHECK(puts[4] == "/v2/team/app/manifests/2");
    REQUIRE(image.reports.size() == 1);
    CHECK(image.reports[0].tags == std::vector<std::string>{"1", "2"});
    CHECK(image.reports[0].uploaded == 2);
}

TEST_CASE("what the registry has is not sent again") {
    KeepingRegistry registry;
    Pushed image;
    image.push({registry.name("team/app:1")});
    image.push({registry.name("team/app:1")});
    CHECK(registry.asked("POST").size() == 2);
    CHECK(image.reports.back().present == 2);
    CHECK(image.reports.back().uploaded == 0);
}

TEST_CASE("a layer that the registry has in another repository is mounted, and not brought for it") {
    KeepingRegistry registry;
    Pushed image(false);
    registry.put("team/base/blobs/" + image.layer.digest.text());
    PushSource source{.blobs = image.blobs, .root = image.root};
    source.find_repository = [&](const std::string& domain, const Digest& blob) {
        CHECK(registry.name("") == domain + "/");
        return blob == image.layer.digest ? "team/base" : "";
    };
    source.bring = [&](const Descriptor& blob) { CHECK(blob.digest != image.layer.digest); };
    image.push({registry.name("team/app:1")}, source);
    CHECK(image.reports[0].mounted == 1);
    CHECK(image.reports[0].uploaded == 1);
}

TEST_CASE("a layer that cannot be mounted is brought and sent") {
    KeepingRegistry registry;
    Pushed image(false);
    PushSource source{.blobs = image.blobs, .root = image.root};
    source.bring = [&](const Descriptor& blob) {
        if (blob.digest == image.layer.digest) image.blobs.put("layer");
    };
    source.find_repository = [](const std::string&, const Digest&) { return std::string("team/base"); };
    image.push({registry.name("team/app:1")}, source);
    CHECK(image.reports[0].uploaded == 2);
    CHECK(registry.asked("DELETE").size() == 1);  // the upload that was opened instead of the mount
}

TEST_CASE("a second repository of a registry gets everything from the first") {
    KeepingRegistry registry;
    Pushed image;
    image.push({registry.name("a/app:1"), registry.name("b/app:1")});
    REQUIRE(image.reports.size() == 2);
    CHECK(image.reports[1].mounted == 2);
    CHECK(registry.has("b/app/manifests/1"));
}

TEST_CASE("an image that is pushed by its digest gets no tag") {
    KeepingRegistry registry;
    Pushed image;
    image.push({registry.name("team/app:1")}, {.blobs = image.blobs, .root = image.root}, {.by_digest = true});
    CHECK(registry.has("team/app/manifests/" + image.root.digest.text()));
    CHECK_FALSE(registry.has("team/app/manifests/1"));
}

TEST_CASE("no tag is set where a manifest is refused, and the registry's words are told") {
    KeepingRegistry registry([](const StubRequest& request, StubReply& reply) {
        const bool is_manifest = request.method == "PUT" && request.target.find("/manifests/") != std::string::npos;
        if (is_manifest) reply.send(400, "", R"({"errors":[{"code":"MANIFEST_INVALID","message":"no"}]})");
        return is_manifest;
    });
    Pushed image;
    try {
        image.push({registry.name("team/app:1")});
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::unavailable);
        CHECK(error.message() == fmt::format("registry {}: manifest team/app@{}: the server refuses (HTTP 400)",
                                             registry.name("").substr(0, registry.name("").size() - 1),
                                             image.root.digest.text()));
        CHECK(error.hint() == "the server says: no");
    }
    CHECK(registry.asked("PUT").back().ends_with(image.root.digest.text()));
}

TEST_CASE("a blob that rotted in the store is the store's fault, and not the registry's") {
    KeepingRegistry registry([](const StubRequest& request, StubReply& reply) {
        const bool is_blob = request.method == "PUT" && request.target.find("/uploads/") != std::string::npos;
        if (is_blob) reply.send(400, "", R"({"errors":[{"code":"DIGEST_INVALID","message":"digest"}]})");
        return is_blob;
    });
    Pushed image(false);
    auto writer = image.blobs.begin();
    writer->write(as_bytes("rotte"));
    const Digest rotten = writer->commit();
    REQUIRE(::renameat(image.blobs.directory().fd(), rotten.hex().c_str(), image.blobs.directory().fd(),
                       image.layer.digest.hex().c_str()) == 0);
    try {
        image.push({registry.name("team/app:1")});
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::corrupt);
    }
}
