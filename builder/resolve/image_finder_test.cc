// SPDX-License-Identifier: Apache-2.0
#include "builder/resolve/image_finder.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <thread>

#include "base/error.h"
#include "builder/resolve/registry_images.h"
#include "layerstore/store/test_support.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using builder::test::RegistryImages;
using imgbuild::test::refusal;
using layerstore::Descriptor;
using layerstore::Platform;
using layerstore::Store;

namespace {

const Platform amd64 = Platform::parse("linux/amd64");
const Platform arm64 = Platform::parse("linux/arm64");

// A store and a registry; finders come and go as builds do.
struct Place {
    layerstore::test::StorePlace at;
    std::unique_ptr<Store> store = at.open();
    RegistryImages registry;

    std::shared_ptr<const ResolvedImage> resolve(const std::string& name, PullPolicy policy = PullPolicy::missing,
                                                 bool offline = false, const Platform& platform = amd64) {
        return make_image_finder(*store, policy, offline)->resolve(name, platform);
    }
    std::string refusal_of(const std::string& name, PullPolicy policy = PullPolicy::missing, bool offline = false,
                           const Platform& platform = amd64) {
        return refusal([&] { resolve(name, policy, offline, platform); });
    }
};

std::string hint_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.hint();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("image finder: a pull puts the documents into the store, and a layer when it is asked for") {
    Place place;
    const Descriptor manifest = place.registry.add_image("amd64", "layer");
    place.registry.tag("1", manifest);
    const auto found = place.resolve(place.registry.name(":1"));
    CHECK(found->name == place.registry.name(":1"));
    CHECK(found->image.descriptor == manifest);
    CHECK(place.store->blobs().has(manifest.digest));
    CHECK(place.store->blobs().has(found->image.manifest.config.digest));
    const Descriptor layer = found->image.manifest.layers.at(0);
    CHECK_FALSE(place.store->blobs().has(layer.digest));
    found->blobs->bring(layer);
    found->blobs->bring(layer);
    CHECK(place.store->blobs().read(layer.digest, 100, "layer") == "layer");
    CHECK(place.registry.asked("blobs/" + layer.digest.text()) == 1);
}

TEST_CASE("image finder: what was pulled is not asked for again, nor by another process") {
    Place place;
    place.registry.tag("1", place.registry.add_index({place.registry.add_image("amd64", "layer")}));
    const auto first = place.resolve(place.registry.name(":1"));
    const std::size_t asked = place.registry.asked();
    CHECK(place.resolve(place.registry.name(":1"))->image.descriptor == first->image.descriptor);
    place.store.reset();
    place.store = place.at.open();
    CHECK(place.resolve(place.registry.name(":1"), PullPolicy::never)->image.config_bytes == first->image.config_bytes);
    const auto offline = place.resolve(place.registry.name(":1"), PullPolicy::always, true);
    CHECK(offline->image.manifest_bytes == first->image.manifest_bytes);
    CHECK(place.registry.asked() == asked);
}

TEST_CASE("image finder: a document that is gone is pulled again") {
    Place place;
    place.registry.tag("1", place.registry.add_image("amd64", "layer"));
    const auto first = place.resolve(place.registry.name(":1"));
    place.store->blobs().remove(first->image.manifest.config.digest);
    CHECK(place.refusal_of(place.registry.name(":1"), PullPolicy::never) ==
          "unavailable: " + place.registry.name(":1") + ": not in the store");
    CHECK(place.resolve(place.registry.name(":1"))->image.config_bytes == first->image.config_bytes);
    CHECK(place.store->blobs().has(first->image.manifest.config.digest));
}

TEST_CASE("image finder: always asks for a tag, and not for a digest that is here") {
    Place place;
    place.registry.tag("1", place.registry.add_image("amd64", "old"));
    place.resolve(place.registry.name(":1"));
    const Descriptor fresh = place.registry.add_image("amd64", "new");
    place.registry.tag("1", fresh);
    CHECK(place.resolve(place.registry.name(":1"))->image.descriptor != fresh);
    CHECK(place.resolve(place.registry.name(":1"), PullPolicy::always)->image.descriptor == fresh);
    CHECK(place.resolve(place.registry.name(":1"))->image.descriptor == fresh);
    CHECK(place.registry.asked("manifests/1") == 2);
    CHECK(place.registry.asked("blobs/" + fresh.digest.text()) == 0);

    const std::string pinned = place.registry.name("@" + fresh.digest.text());
    CHECK(place.resolve(pinned, PullPolicy::always)->image.descriptor == fresh);
    CHECK(place.resolve(pinned, PullPolicy::always)->image.descriptor == fresh);
    CHECK(place.registry.asked("manifests/" + fresh.digest.text()) == 1);
}

TEST_CASE("image finder: what may not be pulled is told with what to do") {
    Place place;
    const std::string name = place.registry.name(":1");
    CHECK(place.refusal_of(name, PullPolicy::never) == "unavailable: " + name + ": not in the store");
    CHECK(place.refusal_of("debian", PullPolicy::missing, true) == "unavailable: debian: not in the store");
    CHECK(hint_of([&] { place.resolve("debian", PullPolicy::never); }) ==
          "`imgbuild pull debian` first, or build without --pull=never");
    CHECK(hint_of([&] { place.resolve("debian", PullPolicy::always, true); }) ==
          "`imgbuild pull debian` first, or build without --offline");
    CHECK(place.refusal_of("Debian").starts_with("usage: "));
    CHECK(place.registry.asked() == 0);
}

TEST_CASE("image finder: a layer that is not here is not fetched offline") {
    Place place;
    place.registry.tag("1", place.registry.add_image("amd64", "layer"));
    const std::string name = place.registry.name(":1");
    place.resolve(name);
    const auto found = place.resolve(name, PullPolicy::missing, true);
    const Descriptor layer = found->image.manifest.layers.at(0);
    CHECK(refusal([&] { found->blobs->bring(layer); }) ==
          fmt::format("unavailable: image {}: blob {}: not in the store", name, layer.digest.text()));
    place.resolve(name)->blobs->bring(layer);
    found->blobs->bring(layer);
}

TEST_CASE("image finder: an image of the store comes before its registry") {
    Place place;
    const std::string name = place.registry.name(":1");
    const Descriptor ours = layerstore::test::put_image(*place.store, {"ours"});
    place.store->tag({name}, ours);
    place.registry.tag("1", place.registry.add_image("amd64", "theirs"));
    CHECK(place.resolve(name)->image.descriptor.digest == ours.digest);
    CHECK(place.resolve(name, PullPolicy::never)->image.descriptor.digest == ours.digest);
    CHECK(place.resolve("example.org/other@" + ours.digest.text())->image.descriptor.digest == ours.digest);
    CHECK(place.registry.asked() == 0);
    CHECK(place.resolve(name, PullPolicy::always)->image.descriptor.digest != ours.digest);
    CHECK(place.store->find_image(name)->descriptor.digest == ours.digest);
}

TEST_CASE("image finder: an image of the store does not serve another platform") {
    Place place;
    const std::string name = place.registry.name(":1");
    place.store->tag({name}, layerstore::test::put_image(*place.store, {"ours"}));
    CHECK(place.refusal_of(name, PullPolicy::missing, true, arm64) ==
          "unavailable: " + name + ": not in the store for linux/arm64, but for linux/amd64");
    const Descriptor theirs = place.registry.add_image("arm64", "theirs");
    place.registry.tag("1", theirs);
    CHECK(place.resolve(name, PullPolicy::missing, false, arm64)->image.descriptor == theirs);
    CHECK(place.resolve(name, PullPolicy::missing, true, arm64)->image.descriptor == theirs);
}

TEST_CASE("image finder: a layer that the store lost is fetched where its name says") {
    Place place;
    const std::string name = place.registry.name(":1");
    place.registry.tag("1", place.registry.add_image("amd64", "layer"));
    const auto pulled = place.resolve(name);
    const Descriptor layer = pulled->image.manifest.layers.at(0);
    pulled->blobs->bring(layer);
    place.store->tag({name}, pulled->image.descriptor);
    place.store->blobs().remove(layer.digest);
    place.resolve(name)->blobs->bring(layer);
    CHECK(place.store->blobs().has(layer.digest));
}

TEST_CASE("image finder: busybox came with the program") {
    Place place;
    const auto found = place.resolve("busybox", PullPolicy::always, true, Platform::host());
    CHECK(found->image.descriptor == default_base(*place.store).descriptor);
    const Descriptor layer = found->image.manifest.layers.at(0);
    place.store->blobs().remove(layer.digest);
    found->blobs->bring(layer);
    CHECK(place.store->blobs().has(layer.digest));
    CHECK(place.refusal_of("busybox", PullPolicy::never, false, Platform::parse("linux/mips64le")) ==
          "unavailable: busybox: not in the store");
    const Descriptor ours = layerstore::test::put_image(*place.store, {"ours"});
    place.store->tag({"busybox"}, ours);
    CHECK(place.resolve("busybox", PullPolicy::always)->image.descriptor.digest == ours.digest);
}

TEST_CASE("image finder: threads that need the same layer at once fetch it once") {
    Place place;
    place.registry.tag("1", place.registry.add_image("amd64", std::string(2'000'000, 'x')));
    place.registry.tag("2", place.registry.add_image("amd64", std::string(2'000'000, 'x')));
    const auto finder = make_image_finder(*place.store, PullPolicy::missing, false);
    const auto one = finder->resolve(place.registry.name(":1"), amd64);
    const auto two = finder->resolve(place.registry.name(":2"), amd64);
    const Descriptor layer = one->image.manifest.layers.at(0);
    {
        std::vector<std::jthread> threads;
        for (const auto& image : {one, two, one, two}) threads.emplace_back([&, image] { image->blobs->bring(layer); });
    }
    CHECK(place.store->blobs().has(layer.digest));
    CHECK(place.registry.asked("blobs/" + layer.digest.text()) == 1);
}
