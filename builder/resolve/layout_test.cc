// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <filesystem>

#include "base/error.h"
#include "builder/resolve/image_finder.h"
#include "layerstore/store/test_support.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using imgbuild::test::refusal;
using layerstore::Descriptor;
using layerstore::Platform;
using layerstore::test::put_image;
using layerstore::test::StorePlace;

namespace {

// A store is a layout: one stands for another tool's, the second is ours.
struct Places {
    StorePlace theirs, ours;
    std::unique_ptr<layerstore::Store> layout = theirs.open();
    std::unique_ptr<layerstore::Store> store = ours.open();

    std::shared_ptr<const ResolvedImage> resolve(const std::string& place) {
        return make_image_finder(*store, PullPolicy::never, true)->resolve_layout(place, Platform::parse("amd64"));
    }
};

}  // namespace

TEST_CASE("layout: documents are copied at once, layers when they are asked for") {
    Places places;
    const Descriptor image = put_image(*places.layout, {"layer"});
    places.layout->tag({"app:1"}, image);
    const auto found = places.resolve(places.theirs.path);
    CHECK(found->name == "oci-layout://" + places.theirs.path);
    CHECK(found->image.descriptor.digest == image.digest);
    CHECK(places.store->blobs().has(image.digest));
    CHECK(places.store->blobs().has(found->image.manifest.config.digest));
    const Descriptor layer = found->image.manifest.layers.at(0);
    CHECK_FALSE(places.store->blobs().has(layer.digest));
    found->blobs->bring(layer);
    CHECK(places.store->blobs().read(layer.digest, 100, "layer") == "layer");
}

TEST_CASE("layout: a tag or a digest chooses among images") {
    Places places;
    const Descriptor one = put_image(*places.layout, {"one"});
    const Descriptor two = put_image(*places.layout, {"two"});
    places.layout->tag({"app:1"}, one);
    places.layout->tag({"app:2"}, two);
    const std::string moved = places.theirs.scratch.path() + "/a:b";
    std::filesystem::rename(places.theirs.path, moved);
    CHECK(places.resolve(moved + "@" + two.digest.text())->image.descriptor.digest == two.digest);
    CHECK(places.resolve(moved + "@" + one.digest.text())->image.descriptor.digest == one.digest);
    CHECK(refusal([&] { places.resolve(moved); }) ==
          "invalid_input: image oci-layout://" + moved + ": more than one image: say which");
    CHECK(refusal([&] { places.resolve(moved + ":3"); }) ==
          "not_found: image oci-layout://" + moved + ":3: no image \"3\"");
}

TEST_CASE("layout: a tag is the reference name of another tool") {
    Places places;
    const Descriptor one = put_image(*places.layout, {"one"});
    places.layout->tag({"app:1"}, one);
    places.layout->tag({"app:2"}, put_image(*places.layout, {"two"}));
    layerstore::Index index = layerstore::read_layout_index(places.layout->root());
    index.manifests.at(0).annotations = {{std::string(layerstore::annotation_ref_name), "one"}};
    layerstore::write_layout_index(places.layout->root(), index, Durability::none);
    CHECK(places.resolve(places.theirs.path + ":one")->image.descriptor.digest == one.digest);
}

TEST_CASE("layout: what is damaged or missing in it is refused and does not enter the store") {
    Places places;
    const Descriptor image = put_image(*places.layout, {"layer"});
    places.layout->tag({"app:1"}, image);
    const auto found = places.resolve(places.theirs.path);
    const Descriptor layer = found->image.manifest.layers.at(0);
    places.theirs.overwrite("blobs/sha256/" + layer.digest.hex(), "LAYER");
    const std::string what = "image oci-layout://" + places.theirs.path;
    CHECK(refusal([&] { found->blobs->bring(layer); }).starts_with("corrupt: " + what));
    places.layout->blobs().remove(layer.digest);
    CHECK(refusal([&] { found->blobs->bring(layer); }).starts_with("not_found: " + what));
    CHECK_FALSE(places.store->blobs().has(layer.digest));
    CHECK(refusal([&] { places.resolve("/no/such/layout"); }).starts_with("not_found: "));
}
