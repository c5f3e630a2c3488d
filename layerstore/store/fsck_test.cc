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
    store->records().put_memo(MemoKind::fetch, Sha256::of("key"), "layer " + std::string(layer.raw()), "");
    store->records().put_memo(MemoKind::fetch, Sha256::of("text"), "layer " + layer.text(), "");
    store->records().put_memo(MemoKind::fetch, Sha256::of("unrelated"), "x", "");
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

namespace {

/// A store with one materialised delta, and a sandbox that says what it is told to.
struct DeltaScene {
    StorePlace at;
    std::unique_ptr<Store> store = at.open();
    DeltaId id = TreeDelta().id();
    std::optional<DeltaLook> seen = DeltaLook{};
    int removals = 0;
    DeltaAccess access{[this](const std::string&, const DeltaId&, const TreeDelta&) { return seen; },
                       [this](const std::string&, const DeltaId&) { return ++removals > 0; }};

    DeltaScene() {
        store->records().save_delta(id, TreeDelta().encode());
        store->root().make_directory(ImagePath::clean("deltas/root/" + id.value.hex() + "/files"));
    }
};

}  // namespace

TEST_CASE("a damaged delta is named with what is wrong in it, and repair takes it away") {
    DeltaScene scene;
    CHECK(scene.store->fsck(false, scene.access).empty());
    scene.seen = DeltaLook{true, {"/a has another content", "/b is missing"}};
    const std::string name = "deltas/root/" + scene.id.value.hex();
    CHECK(lines(scene.store->fsck(false, scene.access)) ==
          std::vector<std::string>{name + ": /a has another content", name + ": /b is missing"});
    CHECK(scene.removals == 0);
    CHECK(lines(scene.store->fsck(true, scene.access)) ==
          std::vector<std::string>{name + ": /a has another content (repaired)", name + ": /b is missing (repaired)"});
    CHECK(scene.removals == 1);
    scene.seen.reset();  // one that cannot be looked into is no fault
    CHECK(scene.store->fsck(false, scene.access).empty());
}

TEST_CASE("of damage that builds could not see the results of later commands are forgotten, of other damage none") {
    for (const bool was_changed : {true, false}) {
        CAPTURE(was_changed);
        DeltaScene scene;
        Records& records = scene.store->records();
        records.put_memo(MemoKind::run, Sha256::of("later"), "v", "");
        records.put_memo(MemoKind::edit, Sha256::of("edit"), "v", "");
        scene.seen = DeltaLook{was_changed, {"/a has another content"}};
        scene.store->fsck(true, scene.access);
        CHECK(records.find_memo(MemoKind::run, Sha256::of("later")).has_value() == was_changed);
        CHECK(records.find_memo(MemoKind::edit, Sha256::of("edit")));
    }
}

TEST_CASE("a database that is damaged in the middle is reported and left, and repair begins it anew") {
    StorePlace at;
    {
        auto store = at.open();
        store->tag({"app:1"}, put_image(*store, {"layer"}));
        for (int i = 0; i < 2000; ++i)
            store->records().put_memo(MemoKind::run, Sha256::of(std::to_string(i)), std::string(200, 'x'), "");
    }
    at.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    int first_page = 1;
    SUBCASE("behind the schema") { first_page = 20; }
    SUBCASE("from the beginning") { first_page = 0; }
    {
        Fd fd(::open((at.path + "/store.db").c_str(), O_WRONLY | O_CLOEXEC));
        const std::string noise(4096, '\x5a');
        for (int page = first_page; page < 60; ++page)
            REQUIRE(::pwrite(fd.get(), noise.data(), noise.size(), page * 4096) == 4096);
    }
    const auto found = at.open()->fsck(false);
    REQUIRE_FALSE(found.empty());
    CHECK(found[0].object == "records");
    CHECK(found[0].what.starts_with("database: "));
    CHECK_FALSE(found[0].repaired);
    CHECK_FALSE(at.has("store.db.damaged"));

    const auto repaired = at.open()->fsck(true);
    REQUIRE_FALSE(repaired.empty());
    CHECK(repaired.back().what.find("set aside as store.db.damaged and begun anew") != std::string::npos);
    CHECK(at.has("store.db.damaged"));
    auto store = at.open();
    CHECK(store->fsck(false).empty());
    CHECK(store->find_image("app:1"));
}
