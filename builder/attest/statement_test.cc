// SPDX-License-Identifier: Apache-2.0
#include "builder/attest/statement.h"

#include <doctest/doctest.h>

#include "base/json.h"
#include "base/temporary_directory.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using layerstore::BlobStore;
using layerstore::Descriptor;

namespace {

struct Place {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    BlobStore blobs = [this] {
        const Directory folder = Directory::open_host(scratch.path());
        folder.make_directory(ImagePath::clean("blobs/sha256"));
        return BlobStore(folder.duplicate(), folder.duplicate());
    }();
    Descriptor image{.media_type = "application/vnd.oci.image.manifest.v1+json",
                     .digest = Sha256::of("image"),
                     .size = 5,
                     .annotations = {{"a", "b"}},
                     .platform = layerstore::Platform::parse("linux/amd64"),
                     .other_members = {}};
    Statement statement =
        make_statement("https://slsa.dev/provenance/v1", {{"_", Sha256::of("image")}}, Json{{"x", 1}});

    Json manifest(const Descriptor& descriptor) const {
        return parse_json(blobs.read(descriptor.digest, layerstore::max_manifest_bytes, "manifest"), "manifest");
    }
};

}  // namespace

TEST_CASE("a statement has a type, subjects and a predicate") {
    const Json document = parse_json(Place().statement.bytes, "statement");
    CHECK(document["predicateType"] == "https://slsa.dev/provenance/v1");
    CHECK(document["subject"][0]["name"] == "_");
    CHECK(document["predicate"]["x"] == 1);
}

TEST_CASE("statements are an artifact that points at its image, and an index lists it for no platform") {
    const Place place;
    const Descriptor listed = put_attestations(place.image, {place.statement}, AttestationForm::artifact, place.blobs);
    CHECK(listed.platform->text() == "unknown/unknown");
    CHECK(listed.annotations.at("vnd.docker.reference.type") == "attestation-manifest");
    CHECK(listed.annotations.at("vnd.docker.reference.digest") == place.image.digest.text());
    const Json manifest = place.manifest(listed);
    CHECK(manifest["artifactType"] == "application/vnd.docker.attestation.manifest.v1+json");
    CHECK(manifest["subject"]["digest"] == place.image.digest.text());
    CHECK_FALSE(manifest["subject"].contains("annotations"));
    CHECK(manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json");
    CHECK(manifest["config"]["data"] == "e30=");
    CHECK(manifest["layers"][0]["mediaType"] == "application/vnd.in-toto+json");
    CHECK(manifest["layers"][0]["annotations"]["in-toto.io/predicate-type"] == "https://slsa.dev/provenance/v1");
    CHECK(place.blobs.has(Sha256::of("{}")));
    CHECK(place.blobs.has(Sha256::of(place.statement.bytes)));
}

TEST_CASE("older tools get an image whose layers are the statements") {
    const Place place;
    const Descriptor listed = put_attestations(place.image, {place.statement}, AttestationForm::image, place.blobs);
    const Json manifest = place.manifest(listed);
    CHECK_FALSE(manifest.contains("artifactType"));
    CHECK(manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json");
    const Digest config = Digest::parse(manifest["config"]["digest"].get<std::string>()).value();
    const Json document = parse_json(place.blobs.read(config, layerstore::max_config_bytes, "config"), "config");
    CHECK(document["os"] == "unknown");
    CHECK(document["rootfs"]["diff_ids"][0] == manifest["layers"][0]["digest"]);
}

TEST_CASE("an image is the subject under each of its names, or under none") {
    layerstore::Image image;
    image.config.platform = layerstore::Platform::parse("linux/amd64");
    image.descriptor.digest = Sha256::of("image");
    CHECK(subjects_of(image, {}).at(0).name == "_");
    const auto named = subjects_of(image, {"docker.io/library/app:1", "docker.io/library/app:2"});
    REQUIRE(named.size() == 2);
    CHECK(named[1].name == "pkg:docker/app@2?platform=linux%2Famd64");
}
