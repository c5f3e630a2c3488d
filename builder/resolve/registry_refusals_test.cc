// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/error.h"
#include "builder/resolve/image_finder.h"
#include "builder/resolve/registry_images.h"
#include "layerstore/image/layout.h"
#include "layerstore/store/test_support.h"

// What a registry may give wrongly, and the choice among what it has.

using namespace imgbuild;
using namespace imgbuild::builder;
using builder::test::RegistryImages;
using imgbuild::test::refusal;
using layerstore::Descriptor;
using layerstore::Platform;
namespace media_type = layerstore::media_type;

namespace {

struct Asking {
    layerstore::test::StorePlace at;
    std::unique_ptr<layerstore::Store> store = at.open();
    RegistryImages registry;
    std::string name = registry.name(":1");

    std::shared_ptr<const ResolvedImage> resolve(const std::string& platform = "linux/amd64") {
        return make_image_finder(*store, PullPolicy::missing, false)->resolve(name, Platform::parse(platform));
    }
    std::string refused(const std::string& platform = "linux/amd64") {
        return refusal([&] { resolve(platform); });
    }
    std::string at_registry(std::string_view kind, const Digest& digest) {
        return fmt::format("unavailable: image {}: registry {}: {} team/app@{}: ", name, registry.domain(), kind,
                           digest.text());
    }
};

Descriptor nested(RegistryImages& registry, Descriptor document, int indexes) {
    for (int i = 0; i < indexes; ++i) document = registry.add_index({document});
    return document;
}

}  // namespace

TEST_CASE("registry: an index is searched for the platform, and only that image is fetched") {
    Asking ask;
    const Descriptor arm = ask.registry.add_image("arm64", "arm");
    const Descriptor amd = ask.registry.add_image("amd64", "amd");
    ask.registry.tag("1", ask.registry.add_index({arm, amd}));
    CHECK(ask.resolve()->image.descriptor == amd);
    CHECK(ask.registry.asked("manifests/" + arm.digest.text()) == 0);
    CHECK(ask.resolve("linux/arm64")->image.descriptor == arm);
    CHECK(ask.resolve("linux/amd64")->image.config.platform.architecture == "amd64");
    CHECK(ask.registry.asked("manifests/1") == 2);
}

TEST_CASE("registry: an index without the platform says what there is") {
    Asking ask;
    ask.registry.tag("1", ask.registry.add_index({ask.registry.add_image("arm64", "arm")}));
    CHECK(ask.refused() == "not_found: image " + ask.name + ": no image for linux/amd64");
    try {
        ask.resolve();
    } catch (const Error& error) {
        CHECK(error.hint() == "there is linux/arm64");
    }
}

TEST_CASE("registry: indexes in indexes are followed to a limit") {
    Asking ask;
    const Descriptor image = ask.registry.add_image("amd64", "layer");
    ask.registry.tag("1", nested(ask.registry, image, layerstore::max_index_levels));
    CHECK(ask.resolve()->image.descriptor == image);
    Asking deeper;
    const Descriptor same = deeper.registry.add_image("amd64", "layer");
    deeper.registry.tag("1", nested(deeper.registry, same, layerstore::max_index_levels + 1));
    CHECK(deeper.refused() == "invalid_input: image " + deeper.name + ": indexes are nested deeper than 8");
    CHECK(deeper.registry.asked("manifests/" + same.digest.text()) == 0);
}

TEST_CASE("registry: a digest that names an index verifies it") {
    Asking ask;
    const Descriptor image = ask.registry.add_image("amd64", "layer");
    const Descriptor index = ask.registry.add_index({image});
    ask.name = ask.registry.name("@" + index.digest.text());
    CHECK(ask.resolve()->image.descriptor == image);
    Asking rotten;
    rotten.registry.set("manifests/" + index.digest.text(), index.media_type, "{}");
    rotten.name = rotten.registry.name("@" + index.digest.text());
    CHECK(rotten.refused().starts_with(rotten.at_registry("manifest", index.digest) + "the registry sent other bytes"));
}

TEST_CASE("registry: rotten documents are the registry's failure and do not stay") {
    Asking ask;
    const Descriptor image = ask.registry.add_image("amd64", "layer");
    ask.registry.tag("1", ask.registry.add_index({image}));
    const Digest config = ask.resolve()->image.manifest.config.digest;

    Asking rotten;
    rotten.registry.tag("1", rotten.registry.add_index({rotten.registry.add_image("amd64", "layer")}));
    rotten.registry.set("blobs/" + config.text(), "application/json", "{}");
    CHECK(rotten.refused().starts_with(rotten.at_registry("blob", config)));
    CHECK_FALSE(rotten.store->blobs().has(config));
    rotten.registry.set("manifests/" + image.digest.text(), image.media_type, "{}");
    rotten.store->blobs().remove(image.digest);
    CHECK(rotten.refused().starts_with(rotten.at_registry("manifest", image.digest)));
    CHECK_FALSE(rotten.store->blobs().has(image.digest));
}

TEST_CASE("registry: a rotten layer is refused with the image and the blob, and a good one taken later") {
    Asking ask;
    ask.registry.tag("1", ask.registry.add_image("amd64", "layer"));
    const auto found = ask.resolve();
    const Descriptor layer = found->image.manifest.layers.at(0);
    for (const char* bytes : {"LAYER", "lay", "layer and more"}) {
        ask.registry.set("blobs/" + layer.digest.text(), "application/octet-stream", bytes);
        CHECK(refusal([&] { found->blobs->bring(layer); }).starts_with(ask.at_registry("blob", layer.digest)));
        CHECK_FALSE(ask.store->blobs().has(layer.digest));
    }
    ask.registry.set("blobs/" + layer.digest.text(), "application/octet-stream", "layer");
    found->blobs->bring(layer);
    CHECK(ask.store->blobs().has(layer.digest));
}

TEST_CASE("registry: an index that lies about a size is refused") {
    Asking ask;
    Descriptor image = ask.registry.add_image("amd64", "layer");
    const std::uint64_t size = image.size++;
    ask.registry.tag("1", ask.registry.add_index({image}));
    CHECK(ask.refused() == fmt::format("unavailable: image {}: manifest {}: {} bytes instead of {}", ask.name,
                                       image.digest.text(), size, size + 1));
}

TEST_CASE("registry: where the header says no type the document does") {
    Asking ask;
    const Descriptor image = ask.registry.add_image("amd64", "layer");
    Descriptor untold = ask.registry.add_index({image});
    untold.media_type = "text/plain";
    ask.registry.tag("1", untold);
    CHECK(ask.resolve()->image.descriptor == image);
    for (const char* body : {"{}", R"({"mediaType":"application/json"})", "[]", "<html>"}) {
        ask.registry.set("manifests/2", "text/html", body);
        ask.name = ask.registry.name(":2");
        CHECK(ask.refused().starts_with("unavailable: image " + ask.name + ": "));
    }
}

TEST_CASE("registry: an artifact is no image, and its config is not fetched") {
    Asking ask;
    layerstore::Manifest manifest{.media_type = std::string(media_type::oci_manifest)};
    manifest.config = ask.registry.add_blob("application/vnd.example.chart", "{}");
    const Descriptor chart = ask.registry.add_document(manifest.media_type, manifest.encode());
    ask.registry.tag("1", chart);
    CHECK(ask.refused().starts_with("invalid_input: image " + ask.name + ": not an image but an artifact"));
    CHECK(ask.registry.asked("blobs/") == 0);
}

TEST_CASE("registry: a config that is announced too large is not fetched") {
    Asking ask;
    layerstore::Manifest manifest{.media_type = std::string(media_type::oci_manifest)};
    manifest.config = ask.registry.add_blob(media_type::oci_config, "{}");
    manifest.config.size = layerstore::max_config_bytes + 1;
    ask.registry.tag("1", ask.registry.add_document(manifest.media_type, manifest.encode()));
    CHECK(ask.refused() == "invalid_input: image " + ask.name + ": config: larger than 8.0 MiB");
    CHECK(ask.registry.asked("blobs/") == 0);
}

TEST_CASE("registry: an image that is not there is unavailable") {
    Asking ask;
    CHECK(ask.refused() == fmt::format("unavailable: image {}: registry {}: manifest team/app:1: not found (HTTP 404)",
                                       ask.name, ask.registry.domain()));
}
