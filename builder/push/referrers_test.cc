// SPDX-License-Identifier: Apache-2.0
#include "builder/push/referrers.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <mutex>

#include "base/error.h"
#include "base/json.h"
#include "base/temporary_directory.h"
#include "base/test_support.h"
#include "builder/fetch/registry_stub.h"
#include "builder/push/artifact.h"
#include "builder/push/push_image.h"
#include "layerstore/image/image.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using imgbuild::test::refusal;
using layerstore::Descriptor;
using layerstore::Index;
using layerstore::Reference;
namespace media_type = imgbuild::layerstore::media_type;

namespace {

const Digest subject = Sha256::of("subject");

Descriptor referrer(const std::string& content, const std::string& type) {
    Descriptor descriptor{
        .media_type = std::string(media_type::oci_manifest), .digest = Sha256::of(content), .size = content.size()};
    descriptor.other_members = write_json({{"artifactType", type}});
    return descriptor;
}

std::string index_of(const std::vector<Descriptor>& manifests) {
    return Index{.media_type = std::string(media_type::oci_index), .manifests = manifests}.encode();
}

// Documents by target, kept when they are put; what is put is answered with `put_headers`.
class Documents {
  public:
    explicit Documents(std::string put_headers = "") : put_headers_(std::move(put_headers)) {}

    void set(const std::string& target, const std::string& body, const std::string& headers = "") {
        const std::lock_guard lock(mutex_);
        kept_[target] = {headers, body};
    }
    std::string get(const std::string& target) {
        const std::lock_guard lock(mutex_);
        return kept_[target].second;
    }
    bool has(const std::string& target) {
        const std::lock_guard lock(mutex_);
        return kept_.contains(target);
    }
    Reference repository() const { return Reference::parse(stub_.domain() + "/team/app"); }
    std::vector<std::string> digests_under_tag() {
        std::vector<std::string> digests;
        const std::string text = get("/v2/team/app/manifests/sha256-" + subject.hex());
        for (const Descriptor& one : Index::parse(text, "tag").manifests) digests.push_back(one.digest.text());
        return digests;
    }

  private:
    void answer(const StubRequest& request, StubReply& reply) {
        const std::lock_guard lock(mutex_);
        const std::string path = request.target.substr(0, request.target.find('?'));
        if (request.method == "POST") return reply.send(202, "Location: " + path + "1\r\n", "");
        if (request.method == "PUT") {
            const bool is_blob = request.target.find("/uploads/") != std::string::npos;
            if (!is_blob) kept_[request.target] = {"", request.body};
            return reply.send(201, is_blob ? "" : put_headers_, "");
        }
        const auto found = kept_.find(request.target);
        if (found == kept_.end()) return reply.send(404, "", "");
        reply.send(200, fmt::format("Content-Type: {}\r\n{}", media_type::oci_index, found->second.first),
                   found->second.second);
    }

    std::string put_headers_;
    std::mutex mutex_;
    std::map<std::string, std::pair<std::string, std::string>> kept_;
    RegistryStub stub_{[this](const StubRequest& request, StubReply& reply) { answer(request, reply); }};
};

const std::string of_subject = "/v2/team/app/referrers/" + subject.text();

// An artifact about the subject in a store of its own, pushed.
Descriptor push_artifact(Documents& registry, const std::string& type) {
    const TemporaryDirectory folder = TemporaryDirectory::create();
    const layerstore::BlobStore blobs(folder.directory().duplicate(), folder.directory().duplicate());
    ArtifactRequest request{.type = type, .files = {}, .subject = {}, .annotations = {{"a", "b"}}};
    request.subject = Descriptor{.media_type = std::string(media_type::oci_manifest), .digest = subject, .size = 7};
    const Descriptor root = put_artifact(request, blobs);
    push_image({.blobs = blobs, .root = root}, {registry.repository().name()}, {.by_digest = true},
               [](const PushReport&) {});
    return root;
}

}  // namespace

TEST_CASE("a registry that lists referrers is asked page by page, and other types are left out") {
    Documents registry;
    const Descriptor one = referrer("1", "application/a"), two = referrer("2", "application/b");
    registry.set(of_subject, index_of({one}), "Link: <" + of_subject + "?last=1>; rel=\"next\"\r\n");
    registry.set(of_subject + "?last=1", index_of({two}));
    CHECK(list_referrers(registry.repository(), subject) == std::vector{one, two});
    CHECK(list_referrers(registry.repository(), subject, "application/b") == std::vector{two});
    CHECK(artifact_type_of(two) == "application/b");
}

TEST_CASE("where a registry lists none, the index under the subject's tag is read") {
    Documents registry;
    CHECK(list_referrers(registry.repository(), subject).empty());
    const Descriptor one = referrer("1", "application/a");
    registry.set("/v2/team/app/manifests/sha256-" + subject.hex(), index_of({one}));
    CHECK(list_referrers(registry.repository(), subject) == std::vector{one});
}

TEST_CASE("pages that never end, or lead to another host, are refused") {
    Documents registry;
    registry.set(of_subject, index_of({}), "Link: <" + of_subject + ">; rel=next\r\n");
    const std::string name = registry.repository().domain;
    CHECK(refusal([&] { list_referrers(registry.repository(), subject); }).find("more than 100 pages") !=
          std::string::npos);
    registry.set(of_subject, index_of({}), "Link: <http://other.example/v2/x>; rel=next\r\n");
    CHECK(refusal([&] { list_referrers(registry.repository(), subject); }).find("the next page is at another host") !=
          std::string::npos);
}

TEST_CASE("a pushed artifact is noted under its subject's tag, beside those that are there") {
    Documents registry;
    const Descriptor other = referrer("1", "application/a");
    registry.set("/v2/team/app/manifests/sha256-" + subject.hex(), index_of({other}));
    const Descriptor first = push_artifact(registry, "application/b");
    CHECK(registry.digests_under_tag() == std::vector{other.digest.text(), first.digest.text()});
    const Descriptor noted = list_referrers(registry.repository(), subject).back();
    CHECK(artifact_type_of(noted) == "application/b");
    CHECK(noted.annotations == std::map<std::string, std::string>{{"a", "b"}});
    // Again the same: nothing is written twice.
    push_artifact(registry, "application/b");
    CHECK(registry.digests_under_tag().size() == 2);
}

TEST_CASE("a registry that says that it lists the subject gets no tag") {
    Documents registry("OCI-Subject: " + subject.text() + "\r\n");
    push_artifact(registry, "application/b");
    CHECK_FALSE(registry.has("/v2/team/app/manifests/sha256-" + subject.hex()));
}

TEST_CASE("types of artifacts are media types") {
    CHECK(is_media_type("application/vnd.example.sbom+json"));
    for (const char* text : {"", "sbom", "/json", "application/", "application/a b", "a/b/c"})
        CHECK_FALSE(is_media_type(text));
}
