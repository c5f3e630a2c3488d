// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>

#include "base/compression.h"
#include "builder/resolve/detail/embedded_base.h"
#include "builder/resolve/detail/embedded_image.h"
#include "builder/resolve/image_finder.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/store/test_support.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using layerstore::Platform;
using layerstore::Reference;
using layerstore::test::StorePlace;

namespace {

// The files of the only layer, its bytes verified on the way.
layerstore::TreeDelta files_of(layerstore::Store& store, const layerstore::Image& image) {
    const layerstore::Descriptor& layer = image.manifest.layers.at(0);
    const auto blob = store.blobs().open(layer.digest, layer.size, "layer");
    const auto tar = make_decompressor(*blob, Compression::gzip, "layer");
    HashingReader hashing(*tar);
    layerstore::TreeDelta delta = layerstore::read_layer(hashing, layerstore::Tree(), "layer");
    CHECK(hashing.finish() == image.config.diff_ids.at(0).value);
    return delta;
}

bool has_path(const layerstore::TreeDelta& delta, std::string_view path) {
    return std::ranges::any_of(delta.changes(),
                               [&](const auto& change) { return change.path == ImagePath::clean(path); });
}

}  // namespace

TEST_CASE("default base: the bytes in the program are those of their digest") {
    const auto base = builder::detail::embedded_base();
    CHECK(Sha256::of(base.tar).text() == base.digest);
}

TEST_CASE("default base: an image with a shell, whole in the store") {
    StorePlace at;
    const auto store = at.open();
    const layerstore::Image image = default_base(*store);
    CHECK(image.config.platform == Platform::host());
    CHECK(image.config.command == std::vector<std::string>{"sh"});
    CHECK(image.config.created == "1980-01-02T00:00:00Z");
    REQUIRE(image.manifest.layers.size() == 1);
    const layerstore::TreeDelta files = files_of(*store, image);
    CHECK(has_path(files, "bin/sh"));
    CHECK(has_path(files, "etc/passwd"));
    store->tag({"docker.io/library/busybox:latest"}, image.descriptor);
    CHECK(store->fsck(false).empty());
}

TEST_CASE("default base: the same image in every store, made once in each") {
    StorePlace here, there;
    const auto store = here.open();
    const layerstore::Image first = default_base(*store);
    CHECK(default_base(*there.open()).descriptor == first.descriptor);
    // What is known and whole is not made again: the blob keeps its file.
    const std::string layer = here.path + "/blobs/sha256/" + first.manifest.layers[0].digest.hex();
    struct stat before {
    }, after{};
    REQUIRE(::stat(layer.c_str(), &before) == 0);
    CHECK(default_base(*store).descriptor == first.descriptor);
    REQUIRE(::stat(layer.c_str(), &after) == 0);
    CHECK(before.st_ino == after.st_ino);
    CHECK(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
}

TEST_CASE("default base: what was taken out of the store is made again") {
    StorePlace at;
    const auto store = at.open();
    const layerstore::Image first = default_base(*store);
    for (const Digest& lost :
         {first.manifest.layers[0].digest, first.manifest.config.digest, first.descriptor.digest}) {
        store->blobs().remove(lost);
        CHECK(default_base(*store).descriptor == first.descriptor);
        CHECK(store->blobs().has(lost));
    }
}

TEST_CASE("default base: serves busybox in all its spellings, for the machine of the program") {
    const Platform host = Platform::host();
    for (const char* name : {"busybox", "busybox:latest", "library/busybox", "docker.io/library/busybox:latest"})
        CHECK(builder::detail::is_embedded(Reference::parse(name), host));
    for (const char* name : {"busybox:1.36", "team/busybox", "registry.example/library/busybox"})
        CHECK_FALSE(builder::detail::is_embedded(Reference::parse(name), host));
    CHECK_FALSE(builder::detail::is_embedded(Reference::parse("busybox"), Platform::parse("linux/mips64le")));
    CHECK_FALSE(builder::detail::is_embedded(Reference::parse("busybox"), Platform::parse("windows/amd64")));
}
