// SPDX-License-Identifier: Apache-2.0
#include "builder/engine/load_image.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/temporary_directory.h"
#include "builder/fetch/registry_stub.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using layerstore::Descriptor;
namespace media_type = imgbuild::layerstore::media_type;

namespace {

// An image of one layer in a store of its own, as an archive.
struct Archived {
    TemporaryDirectory folder = TemporaryDirectory::create();
    layerstore::BlobStore blobs{folder.directory().duplicate(), folder.directory().duplicate()};
    layerstore::Image image;

    Archived() {
        image.config.diff_ids = {{Sha256::of("layer")}};
        image.config_bytes = image.config.encode();
        image.manifest.media_type = media_type::oci_manifest;
        image.manifest.config = put(media_type::oci_config, image.config_bytes);
        image.manifest.layers = {put(media_type::oci_layer, "layer")};
        image.manifest_bytes = image.manifest.encode();
        image.descriptor = put(media_type::oci_manifest, image.manifest_bytes);
    }
    Descriptor put(std::string_view type, std::string_view bytes) {
        return {.media_type = std::string(type), .digest = blobs.put(bytes), .size = bytes.size()};
    }
    layerstore::ImageArchive archive() const {
        return layerstore::ImageArchive({{image.descriptor, {"docker.io/library/app:1"}, image}}, blobs);
    }
};

struct StubEngine {
    explicit StubEngine(RegistryStub::Handler handler) : stub(std::move(handler)) {}
    RegistryStub stub;
    Engine engine{.address = "tcp://" + stub.domain(), .said_by = "the test", .certificates = {}};
};

}  // namespace

TEST_CASE("an engine has the layers up to the first that is another") {
    const DiffId one{Sha256::of("1")}, two{Sha256::of("2")}, three{Sha256::of("3")};
    const auto text = [](const DiffId& id) { return id.value.text(); };
    CHECK(shared_layers({one, two}, {text(one), text(two), text(three)}) == 2);
    CHECK(shared_layers({one, two, three}, {text(one), text(three)}) == 1);
    CHECK(shared_layers({two}, {text(one), text(two)}) == 0);
    CHECK(shared_layers({one}, {}) == 0);
}

TEST_CASE("an archive comes to the engine whole, and is as long as it was said to be") {
    StubEngine at([](const StubRequest&, StubReply& reply) { reply.send(200, "", "{\"stream\":\"Loaded\"}\n"); });
    const Archived image;
    load_archive(at.engine, image.archive());
    MemoryWriter expected;
    image.archive().write(expected);
    REQUIRE(at.stub.requests().size() == 1);
    const StubRequest request = at.stub.requests().front();
    CHECK(request.target == "/images/load");
    CHECK(request.body == expected.bytes());
    CHECK(request.header("content-length") == std::to_string(image.archive().size()));
}

TEST_CASE("a layer that is left out is not in the archive, and its length is told without it") {
    const Archived image;
    layerstore::ImageArchive partial = image.archive();
    partial.leave_out(image.image.manifest.layers.front().digest);
    MemoryWriter bytes;
    partial.write(bytes);
    CHECK(bytes.bytes().size() == partial.size());
    CHECK(partial.size() == image.archive().size() - 1024);
    CHECK(bytes.bytes().find(std::string(100, '\0') + "layer") == std::string::npos);
}

TEST_CASE("an engine that says no behind a status of success is heard") {
    StubEngine at([](const StubRequest&, StubReply& reply) {
        reply.send(200, "", "{\"stream\":\"x\"}\n{\"errorDetail\":{\"message\":\"full\"},\"error\":\"full\"}\n");
    });
    const Archived image;
    try {
        load_archive(at.engine, image.archive());
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::unavailable);
        CHECK(error.full_message() == "engine at " + at.engine.address + " (the test): does not take the image");
        CHECK(error.hint() == "it says: full");
    }
}

TEST_CASE("a blob that rotted is the store's fault, and not the engine's") {
    StubEngine at([](const StubRequest&, StubReply& reply) { reply.send(200, "", ""); });
    Archived image;
    const Digest layer = image.image.manifest.layers.front().digest;
    auto writer = image.blobs.begin();
    writer->write(as_bytes("rotte"));
    const Digest rotten = writer->commit();
    const int folder = image.blobs.directory().fd();
    REQUIRE(::renameat(folder, rotten.hex().c_str(), folder, layer.hex().c_str()) == 0);
    try {
        load_archive(at.engine, image.archive());
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::corrupt);
    }
}

TEST_CASE("an image is described by its ID, its names and its layers, and one that is not there by nothing") {
    StubEngine at([](const StubRequest& request, StubReply& reply) {
        if (request.target == "/images/app:1/json")
            reply.send(200, "",
                       R"({"Id":"sha256:1","RepoTags":["app:1"],"RootFS":{"Layers":["sha256:a","sha256:b"]}})");
        else
            reply.send(404, "", R"({"message":"No such image"})");
    });
    const auto found = inspect_image(at.engine, "app:1");
    REQUIRE(found);
    CHECK(found->id == "sha256:1");
    CHECK(found->names == std::vector<std::string>{"app:1"});
    CHECK(found->layers == std::vector<std::string>{"sha256:a", "sha256:b"});
    CHECK_FALSE(inspect_image(at.engine, "other:1"));
}
