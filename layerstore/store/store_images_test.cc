// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <random>

#include "base/json.h"
#include "layerstore/store/store.h"
#include "layerstore/store/test_support.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;
using namespace imgbuild::layerstore::test;

namespace {

std::vector<std::string> names(Store& store) {
    std::vector<std::string> list;
    for (const NamedImage& image : store.images()) list.push_back(image.name);
    return list;
}

}  // namespace

TEST_CASE("an image is found by its name in any spelling, by digest, and by the first digits of one") {
    StorePlace at;
    auto store = at.open();
    const Descriptor image = put_image(*store, {"layer"});
    store->tag({"app:1", "localhost:5000/team/app"}, image);
    CHECK(names(*store) == std::vector<std::string>{"docker.io/library/app:1", "localhost:5000/team/app:latest"});
    for (const std::string& name : {std::string("app:1"), std::string("docker.io/app:1"),
                                    std::string("localhost:5000/team/app"), "@" + image.digest.text(),
                                    image.digest.text(), image.digest.hex().substr(0, 6), "app@" + image.digest.text()})
        CHECK(store->find_image(name)->descriptor.digest == image.digest);
    for (const std::string& name : {std::string("app"), std::string("app:2"), image.digest.hex().substr(0, 5),
                                    std::string("NO SUCH"), "other@" + image.digest.text()})
        CHECK_FALSE(store->find_image(name));
    CHECK(store->read_image(store->find_image("app:1")->descriptor, Platform::parse("amd64"), "app:1")
              .manifest.layers.size() == 1);
}

TEST_CASE("other tools find an image by its familiar name") {
    StorePlace at;
    auto store = at.open();
    store->tag({"docker.io/library/app:1"}, put_image(*store, {"layer"}));
    CHECK(find_in_layout(read_layout_index(store->root()), "app:1", "store")
              .annotations.at("org.opencontainers.image.ref.name") == "app:1");
}

TEST_CASE("a name moves to another image, and naming again what is named writes nothing") {
    StorePlace at;
    auto store = at.open();
    const Descriptor one = put_image(*store, {"1"});
    const Descriptor two = put_image(*store, {"2"});
    store->tag({"app:1", "app:2"}, one);
    store->tag({"app:1"}, two);
    CHECK(store->find_image("app:1")->descriptor.digest == two.digest);
    CHECK(store->find_image("app:2")->descriptor.digest == one.digest);
    const auto before = store->root().status(ImagePath::clean("index.json"));
    store->tag({"app:2"}, one);
    CHECK(store->root().status(ImagePath::clean("index.json"))->st_ino == before->st_ino);
}

TEST_CASE("names come and go in an index that is changed in places as in one that is read whole") {
    StorePlace changed_at, whole_at;
    auto changed = Store::open(changed_at.path, StoreDurability::none);
    auto whole = Store::open(whole_at.path, StoreDurability::none);
    std::vector<Descriptor> images;
    for (int i = 0; i < 5; ++i) {
        images.push_back(put_image(*changed, {std::to_string(i)}));
        put_image(*whole, {std::to_string(i)});
    }
    const std::vector<std::string> some_names{"app:1", "app:10", "localhost:5000/app:1", "team/app:1", "x.y/a:b", "a"};
    std::mt19937 random(7);
    auto any = [&](const auto& list) { return list[random() % list.size()]; };
    auto text_of = [](const StorePlace& at) {
        return Directory::open_host(at.path).read_file(ImagePath::clean("index.json"), 1 << 20);
    };
    for (int step = 0; step < 300; ++step) {
        const Descriptor image = any(images);
        const std::vector<std::string> names{any(some_names), any(some_names)};
        const unsigned kind = random() % 6;
        for (Store* store : {changed.get(), whole.get()}) {
            if (store == whole.get()) ::unlink((whole_at.path + "/index.json.sum").c_str());
            if (kind < 2) store->tag(names, image);
            if (kind == 2) store->tag({}, image);
            if (kind == 3) store->untag(names.front());
            if (kind == 4) store->untag(image.digest.hex().substr(0, 12));
            if (kind == 5) store->untag(names.front() + "@" + image.digest.text());
        }
        REQUIRE(text_of(changed_at) == text_of(whole_at));
        const auto found = changed->find_image(names.front());
        ::unlink((whole_at.path + "/index.json.sum").c_str());
        const auto same = whole->find_image(names.front());
        REQUIRE(found.has_value() == same.has_value());
        if (found) REQUIRE(found->descriptor == same->descriptor);
    }
    CHECK(changed->fsck(false).empty());
}

TEST_CASE("what others write into index.json is kept, and found, and naming goes on") {
    StorePlace at;
    auto store = at.open();
    const Descriptor image = put_image(*store, {"1"});
    store->tag({"a:1", "b:1"}, image);
    std::string text = store->root().read_file(ImagePath::clean("index.json"), 1 << 20);
    // In one line, with names that are escaped, and a member that nobody here knows.
    text = write_json(parse_json(text, "index"));
    const std::size_t name = text.find("library/a:1");
    text.replace(name, std::string_view("library/a:1").size(), "library\\/\\u0061:1");
    text.insert(1, R"("org.example.other":[1],)");
    at.overwrite("index.json", text);
    CHECK(store->find_image("a:1")->descriptor.digest == image.digest);
    store->tag({"c:1"}, image);
    CHECK(names(*store) ==
          std::vector<std::string>{"docker.io/library/a:1", "docker.io/library/b:1", "docker.io/library/c:1"});
    CHECK(store->untag("b:1"));
    CHECK(names(*store).size() == 2);
    CHECK(read_layout_index(store->root()).other_members.find("org.example.other") != std::string::npos);
}

TEST_CASE("more names than an index may hold are refused, and those before stay") {
    StorePlace at;
    auto store = Store::open(at.path, StoreDurability::none);
    const Descriptor image = put_image(*store, {"1"});
    Index index{.media_type = std::string(media_type::oci_index)};
    Descriptor large = image;
    large.annotations["org.example.long"] = std::string(max_manifest_bytes - 2000, 'x');
    index.manifests = {large};
    write_layout_index(store->root(), index, Durability::none);
    store->tag({"a:1"}, image);
    CHECK(refusal([&] {
              for (int i = 0; i < 20; ++i) store->tag({"b:" + std::to_string(i)}, image);
          }) == "no_space: change index.json: with more names it is larger than 4.0 MiB");
    CHECK(store->find_image("a:1"));
}

TEST_CASE("an image without a name is kept once, and only while no name holds it") {
    StorePlace at;
    auto store = at.open();
    const Descriptor image = put_image(*store, {"1"});
    store->tag({}, image);
    store->tag({}, image);
    CHECK(names(*store) == std::vector<std::string>{""});
    CHECK(store->find_image(image.digest.text()));
    CHECK(store->untag(image.digest.hex().substr(0, 12)));
    CHECK(names(*store).empty());
}

TEST_CASE("a name is taken away alone, a digest with all its names") {
    StorePlace at;
    auto store = at.open();
    const Descriptor image = put_image(*store, {"1"});
    store->tag({"a:1", "b:1", "c:1"}, image);
    CHECK(store->untag("a:1"));
    CHECK_FALSE(store->untag("a:1"));
    CHECK(names(*store).size() == 2);
    CHECK(store->untag(image.digest.text()));
    CHECK(names(*store).empty());
}

TEST_CASE("an image is not named before all of it is there") {
    StorePlace at;
    auto store = at.open();
    const Descriptor image = put_image(*store, {"layer"});
    const Digest layer = Sha256::of("layer");
    store->blobs().remove(layer);
    CHECK(refusal([&] { store->tag({"app:1"}, image); }) ==
          "not_found: name the image: blob " + layer.text() + " of 5 bytes: missing");
    CHECK(refusal([&] { store->tag({"app@" + image.digest.text()}, image); }) ==
          "usage: name the image: \"app@" + image.digest.text() + "\": a name holds no digest");
    CHECK(store->images().empty());
}

TEST_CASE("digits that begin two images are refused") {
    StorePlace at;
    auto store = at.open();
    // Two manifests whose digests begin alike are not at hand: the index is written with what looks like some.
    Index index{.media_type = std::string(media_type::oci_index)};
    for (char last : {'0', '1'}) {
        Descriptor entry{.media_type = std::string(media_type::oci_manifest)};
        entry.digest = *Digest::from_hex(std::string(63, 'a') + last);
        index.manifests.push_back(entry);
    }
    write_layout_index(store->root(), index, Durability::none);
    CHECK(refusal([&] { store->find_image("aaaaaaaa"); }) ==
          "usage: image \"aaaaaaaa\": several images begin like this");
    CHECK(store->find_image(std::string(63, 'a') + "1"));
}

TEST_CASE("a torn index.json is said, and repaired from the one before") {
    StorePlace at;
    auto store = at.open();
    const Descriptor image = put_image(*store, {"1"});
    store->tag({"a:1"}, image);
    store->tag({"b:1"}, image);
    at.overwrite("index.json", R"({"schemaVersion":2,"manif)");
    CHECK(refusal([&] { store->images(); }).starts_with("corrupt: " + at.path + "/index.json: line 1, column "));
    CHECK(refusal([&] { store->tag({"c:1"}, image); }).starts_with("corrupt: " + at.path + "/index.json: line 1"));
    auto findings = store->fsck(true);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].object == "index.json");
    CHECK(findings[0].repaired);
    CHECK(names(*store) == std::vector<std::string>{"docker.io/library/a:1"});
    CHECK(at.has("corrupt/index.json"));
    CHECK(store->fsck(false).empty());
}
