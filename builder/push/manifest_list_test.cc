// SPDX-License-Identifier: Apache-2.0
#include "builder/push/manifest_list.h"

#include <doctest/doctest.h>

#include "base/temporary_directory.h"
#include "base/test_support.h"
#include "layerstore/image/layout.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using imgbuild::test::refusal;
using layerstore::Descriptor;
using layerstore::Platform;
namespace media_type = imgbuild::layerstore::media_type;

namespace {

Descriptor image(const std::string& content, const std::string& platform) {
    return {.media_type = std::string(media_type::oci_manifest),
            .digest = Sha256::of(content),
            .size = content.size(),
            .annotations = {},
            .platform = Platform::parse(platform),
            .other_members = {}};
}

Descriptor statement(const std::string& content, const Descriptor& about) {
    Descriptor manifest = image(content, "linux/amd64");
    manifest.platform = Platform::unknown();
    manifest.annotations = {{"vnd.docker.reference.digest", about.digest.text()}};
    return manifest;
}

std::vector<std::string> digits(const ManifestList& list) {
    std::vector<std::string> all;
    for (const Descriptor& one : list.index.manifests) all.push_back(one.digest.short_hex());
    return all;
}

struct ListStore {
    TemporaryDirectory folder = TemporaryDirectory::create();
    std::unique_ptr<layerstore::Store> store = layerstore::Store::open(folder.path() + "/store");

    Descriptor put(std::string_view type, const std::string& bytes) const {
        return {.media_type = std::string(type), .digest = store->blobs().put(bytes), .size = bytes.size()};
    }
    /// An image of one layer; without `has_layer` that is elsewhere.
    Descriptor put_image(const std::string& architecture, bool has_layer = true) const {
        layerstore::ImageConfig config;
        config.platform.architecture = architecture;
        config.diff_ids = {{Sha256::of(architecture)}};
        layerstore::Manifest manifest{.media_type = std::string(media_type::oci_manifest)};
        manifest.config = put(media_type::oci_config, config.encode());
        manifest.layers = {has_layer ? put(media_type::oci_layer, architecture)
                                     : Descriptor{.media_type = std::string(media_type::oci_layer),
                                                  .digest = Sha256::of(architecture),
                                                  .size = architecture.size()}};
        return put(manifest.media_type, manifest.encode());
    }
    ManifestList list_of(const std::vector<Descriptor>& roots) const {
        ManifestList list{"docker.io/library/app:1", {}, {}};
        for (const Descriptor& root : roots)
            for (Descriptor& one : images_for_list(store->blobs(), root, std::nullopt, "image")) list.add(one);
        return list;
    }
};

}  // namespace

TEST_CASE("images stand in the order in which they came, and statements behind all of them") {
    ManifestList list;
    const Descriptor one = image("1", "linux/amd64"), two = image("2", "linux/arm64");
    const Descriptor about_one = statement("s1", one), about_two = statement("s2", two);
    for (const Descriptor& manifest : {one, about_one, two, about_two}) CHECK_FALSE(list.add(manifest));
    CHECK(digits(list) == std::vector{one.digest.short_hex(), two.digest.short_hex(), about_one.digest.short_hex(),
                                      about_two.digest.short_hex()});
}

TEST_CASE("an image takes the place of the one for its platform, whose statements go with it") {
    ManifestList list;
    const Descriptor one = image("1", "linux/amd64"), two = image("2", "linux/arm64"), three = image("3", "amd64");
    for (const Descriptor& manifest : {one, statement("s1", one), two}) list.add(manifest);
    list.origins = {{one.digest, "r.example/a"}, {two.digest, "r.example/a"}};
    CHECK(list.add(three) == one.digest);
    CHECK(digits(list) == std::vector{three.digest.short_hex(), two.digest.short_hex()});
    CHECK(list.origins.size() == 1);
    CHECK_FALSE(list.add(three));
    CHECK(list.index.manifests.size() == 2);
    CHECK(list.remove(two.digest));
    CHECK_FALSE(list.remove(two.digest));
    CHECK(list.origins.empty());
}

TEST_CASE("a list of Docker's images is Docker's, until something else is said in it") {
    ManifestList list;
    Descriptor one = image("1", "linux/amd64");
    one.media_type = media_type::docker_manifest;
    list.add(one);
    CHECK(layerstore::Index::parse(list.encode(), "list").media_type == media_type::docker_index);
    list.index.annotations["a"] = "b";
    CHECK(layerstore::Index::parse(list.encode(), "list").media_type == media_type::oci_index);
}

TEST_CASE("a list whose images are all here is an image of the store") {
    const ListStore at;
    ManifestLists lists(*at.store);
    const Descriptor root = lists.save(at.list_of({at.put_image("amd64"), at.put_image("arm64")}));
    CHECK(at.store->find_image("app:1")->descriptor.digest == root.digest);
    CHECK_FALSE(lists.is_draft("app:1"));
    const ManifestList again = lists.get("app:1");
    CHECK(again.index.manifests.size() == 2);
    CHECK(again.index.manifests[1].platform->text() == "linux/arm64");
    CHECK(at.store->fsck(false).empty());
    CHECK(lists.remove("app:1"));
    CHECK_FALSE(lists.find("app:1"));
}

TEST_CASE("a list with images elsewhere is a draft, whose documents outlive a collection") {
    const ListStore at;
    ManifestLists lists(*at.store);
    ManifestList list = at.list_of({at.put_image("amd64")});
    lists.save(list);
    const Descriptor remote = at.put_image("arm64", false);
    for (Descriptor& one : images_for_list(at.store->blobs(), remote, std::nullopt, "image")) list.add(one);
    list.origins = {{remote.digest, "r.example/team/app"}};
    lists.save(list);
    CHECK_FALSE(at.store->find_image("app:1"));
    CHECK(lists.is_draft("app:1"));
    at.store->prune({.all = true}, [](const std::string&, const DeltaId&) { return true; });
    CHECK(at.store->blobs().has(remote.digest));
    CHECK(at.store->blobs().has(Sha256::of("amd64")));
    CHECK(at.store->fsck(false).empty());
    const ManifestList kept = lists.get("app:1");
    CHECK(kept.index.manifests == list.index.manifests);
    CHECK(kept.origins == list.origins);
    // Once its layer is here it is an image as any other.
    at.store->blobs().put("arm64");
    lists.save(kept);
    CHECK(at.store->find_image("app:1"));
    CHECK_FALSE(lists.is_draft("app:1"));
}

TEST_CASE("an image alone is no list, and what is no image gets into none") {
    const ListStore at;
    ManifestLists lists(*at.store);
    at.store->tag({"single:1"}, at.put_image("amd64"));
    CHECK(refusal([&] { lists.find("single:1"); }) == "usage: single:1: is an image and no list");
    CHECK(refusal([&] { lists.get("none:1"); }) == "not_found: none:1: no such list in the store");
    layerstore::Manifest artifact{.media_type = std::string(media_type::oci_manifest)};
    artifact.config = at.put("application/vnd.oci.empty.v1+json", "{}");
    CHECK(refusal([&] {
              images_for_list(at.store->blobs(), at.put(artifact.media_type, artifact.encode()), std::nullopt, "x:1");
          }) == "invalid_input: x:1: \"application/vnd.oci.empty.v1+json\" is no image");
    const Descriptor index = at.put(media_type::oci_index, at.list_of({at.put_image("amd64")}).encode());
    CHECK(refusal([&] { images_for_list(at.store->blobs(), index, Platform::parse("arm64"), "x:1"); }) ==
          "not_found: x:1: no image for linux/arm64");
}
