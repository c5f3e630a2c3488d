// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include "layerstore/store/store.h"
#include "layerstore/store/test_support.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;
using namespace imgbuild::layerstore::test;

namespace {

std::vector<std::string> lines(const std::vector<Finding>& findings) {
    std::vector<std::string> list;
    for (const Finding& finding : findings)
        list.push_back(finding.object + ": " + finding.what + (finding.repaired ? " (repaired)" : ""));
    return list;
}

}  // namespace

TEST_CASE("a good store has no findings") {
    StorePlace at;
    auto store = at.open();
    CHECK(store->fsck(false).empty());
    store->tag({"app:1"}, put_image(*store, {"1", "2"}));
    store->records().put_memo(MemoKind::run, Sha256::of("k"), "v", "p");
    CHECK(store->fsck(false).empty());
}

TEST_CASE("a tampered layer is found with the image it breaks, and repair leaves a good store") {
    StorePlace at;
    auto store = at.open();
    const Descriptor image = put_image(*store, {"layer", "other"});
    store->tag({"app:1"}, image);
    store->tag({"good:1"}, put_image(*store, {"other"}));
    const Digest layer = Sha256::of("layer");
    store->records().save_layer({{.media_type = "a/b", .digest = layer, .size = 5}, {layer}, {layer}});
    store->records().put_memo(MemoKind::pack, Sha256::of("key"), "layer " + std::string(layer.raw()), "");
    store->records().put_memo(MemoKind::pack, Sha256::of("text"), "layer " + layer.text(), "");
    store->records().put_memo(MemoKind::pack, Sha256::of("unrelated"), "x", "");
    at.overwrite("blobs/sha256/" + layer.hex(), "lay3r");

    const std::string blob = "blob " + layer.text() + ": blob " + layer.text() + ": its content is " +
                             Sha256::of("lay3r").text() + " and not " + layer.text();
    const std::string broken =
        "image docker.io/library/app:1: layer " + layer.text() + ": damaged: build or pull it again";
    CHECK(lines(store->fsck(false)) == std::vector<std::string>{blob, broken});
    CHECK(store->find_image("app:1"));
    CHECK(lines(store->fsck(true)) == std::vector<std::string>{blob + " (repaired)", broken + " (repaired)"});

    CHECK(at.has("corrupt/" + layer.hex()));
    CHECK_FALSE(store->find_image("app:1"));
    CHECK(store->find_image("good:1"));
    CHECK_FALSE(store->records().find_layer(layer));
    CHECK(store->records().counts().memos == 1);
    CHECK(store->fsck(false).empty());
    store->tag({"app:1"}, put_image(*store, {"layer", "other"}));
    CHECK(store->fsck(false).empty());
}

TEST_CASE("a missing, cut, replaced or foreign blob is found") {
    StorePlace at;
    auto store = at.open();
    store->tag({"app:1"}, put_image(*store, {"layer"}));
    const Digest layer = Sha256::of("layer");
    const std::string file = "blobs/sha256/" + layer.hex();
    store->blobs().remove(layer);
    CHECK(lines(store->fsck(false)) == std::vector<std::string>{"image docker.io/library/app:1: layer " + layer.text() +
                                                                " of 5 bytes: missing: build or pull it again"});
    at.overwrite(file, "");
    CHECK(store->fsck(false).size() == 2);
    store->blobs().remove(layer);
    REQUIRE(::mkfifo((at.path + "/" + file).c_str(), 0600) == 0);
    CHECK(store->fsck(false).size() == 2);
    store->blobs().remove(layer);
    REQUIRE(::mkdir((at.path + "/" + file).c_str(), 0700) == 0);
    CHECK(store->fsck(false).size() == 2);
    store->blobs().remove(layer);
    store->blobs().put("layer");
    at.overwrite("blobs/sha256/notes", "x");
    const auto foreign = store->fsck(true);
    REQUIRE(foreign.size() == 1);
    CHECK(foreign[0].harmless);
    CHECK(at.has("corrupt/notes"));
    CHECK(store->fsck(false).empty());
}

TEST_CASE("a tampered manifest, config or inner image of an index is found") {
    for (int part = 0; part < 3; ++part) {
        CAPTURE(part);
        StorePlace at;
        auto store = at.open();
        const Descriptor image = put_image(*store, {"layer"});
        const Descriptor index =
            put_blob(*store, media_type::oci_index,
                     Index{.media_type = std::string(media_type::oci_index), .manifests = {image}}.encode());
        store->tag({"app:1"}, index);
        const Digest config = store->read_image(index, Platform::parse("amd64"), "x").manifest.config.digest;
        const Digest damaged = part == 0 ? index.digest : part == 1 ? image.digest : config;
        at.overwrite("blobs/sha256/" + damaged.hex(), "{}");
        CHECK(store->fsck(false).size() == 2);
        store->fsck(true);
        CHECK(store->images().empty());
        CHECK(store->fsck(false).empty());
    }
}

TEST_CASE("a damaged record is found and taken out") {
    StorePlace at;
    auto store = at.open();
    const Digest key = Sha256::of("key");
    store->records().put_memo(MemoKind::run, key, "v", "p");
    at.sql("UPDATE memo SET value = x'00'");
    CHECK(lines(store->fsck(true)) == std::vector<std::string>{"records: memo " + key.text() + ": damaged (repaired)"});
    CHECK(store->fsck(false).empty());
}

TEST_CASE("a materialised delta that no record knows takes space and nothing else") {
    StorePlace at;
    auto store = at.open();
    const DeltaId id = TreeDelta().id();
    store->root().make_directory(ImagePath::clean("deltas/root/" + id.value.hex() + "/files"));
    store->root().make_directory(ImagePath::clean("deltas/root/temporary"));
    const auto findings = store->fsck(true);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].harmless);
    CHECK(lines(findings) == std::vector<std::string>{"deltas/root/" + id.value.hex() +
                                                      ": no record knows it: `imgbuild prune` takes it away"});
    store->records().save_delta(id, TreeDelta().encode());
    CHECK(store->fsck(false).empty());
}
