// SPDX-License-Identifier: Apache-2.0
#include "layerstore/store/records.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/temporary_directory.h"
#include "base/test_support.h"
#include "base/wire.h"
#include "layerstore/tree/algebra.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;
using imgbuild::test::refusal;

namespace {

struct Place {
    TemporaryDirectory directory = TemporaryDirectory::create();
    std::string path() const { return directory.path(); }

    void sql(const char* statement) const {
        sqlite3* handle = nullptr;
        REQUIRE(sqlite3_open((path() + "/store.db").c_str(), &handle) == SQLITE_OK);
        CHECK(sqlite3_exec(handle, statement, nullptr, nullptr, nullptr) == SQLITE_OK);
        sqlite3_close(handle);
    }
    void overwrite(const std::string& content) const {
        write_file_atomically(directory.directory(), "store.db", content, Durability::none);
    }
};

const Digest key = Sha256::of("key");

Tree small_tree() {
    auto directory = [](const char* path) {
        return Change{ImagePath::clean(path), ChangeKind::put, {.kind = EntryKind::directory, .mode = 0755}};
    };
    Change file{ImagePath::clean("/a/b/file"), ChangeKind::put, {.size = 1, .content = Sha256::of("x")}};
    Change twin = file;
    twin.path = ImagePath::clean("/c/twin");
    return apply(Tree(), TreeDelta::build({directory("/a"), directory("/a/b"), directory("/c"), file, twin},
                                          {{file.path, twin.path}}));
}

}  // namespace

TEST_CASE("a memo is found by kind and key until it is removed, also by the next process") {
    Place at;
    {
        Records records(at.path());
        records.put_memo(MemoKind::run, key, "value", "preimage");
        CHECK(records.find_memo(MemoKind::run, key)->value == "value");
        CHECK_FALSE(records.find_memo(MemoKind::edit, key));
        records.put_memo(MemoKind::run, key, std::string("new\0value", 9), "");
    }
    Records records(at.path());
    CHECK(records.find_memo(MemoKind::run, key)->value == std::string("new\0value", 9));
    CHECK(records.find_memo(MemoKind::run, key)->preimage.empty());
    records.remove_memo(MemoKind::run, key);
    CHECK_FALSE(records.find_memo(MemoKind::run, key));
}

TEST_CASE("two connections see each other's records at once") {
    Place at;
    Records one(at.path()), two(at.path());
    one.put_memo(MemoKind::run, key, "value", "");
    CHECK(two.find_memo(MemoKind::run, key));
    two.remove_memo(MemoKind::run, key);
    CHECK_FALSE(one.find_memo(MemoKind::run, key));
}

TEST_CASE("recent memos come newest first and only those that begin alike") {
    Place at;
    Records records(at.path());
    for (int i = 0; i < 5; ++i)
        records.put_memo(MemoKind::run, Sha256::of(std::to_string(i)), std::to_string(i), i % 2 ? "odd%_" : "even");
    std::string values;
    for (const Memo& memo : records.recent_memos(MemoKind::run, "even", 2)) values += memo.value;
    CHECK(values == "42");
    CHECK(records.recent_memos(MemoKind::run, "odd%_", 9).size() == 2);
    CHECK(records.recent_memos(MemoKind::run, "%", 9).empty());
    CHECK(records.recent_memos(MemoKind::run, "", 9).size() == 5);
}

TEST_CASE("a tree that was saved is the same when it is loaded by its reference") {
    Place at;
    const Tree tree = small_tree();
    {
        Records records(at.path());
        records.save_tree(tree);
        records.save_tree(tree);
        CHECK(records.counts().nodes == 4);
    }
    Records records(at.path());
    const Tree loaded = Tree::from_ref(Records::decode_ref(Records::encode_ref(tree.ref())), records);
    CHECK(loaded.id() == tree.id());
    CHECK(loaded.content_id() == tree.content_id());
    CHECK(loaded.find(ImagePath::clean("/a/b/file"))->content == Sha256::of("x"));
    CHECK(loaded.links() == tree.links());
    CHECK(difference(loaded, tree).empty());
    CHECK(records.children_of(tree.below()->id().value).size() == 2);
}

TEST_CASE("what is missing or damaged is said by its identity") {
    Place at;
    const Tree tree = small_tree();
    Records records(at.path());
    const std::string id = tree.below()->id().value.text();
    CHECK(refusal([&] { records.load_node(tree.below()->id()); }) == "corrupt: store: tree node " + id + ": missing");
    CHECK(refusal([&] { records.load_links(key); }) == "corrupt: store: link table " + key.text() + ": missing");
    records.save_tree(tree);
    at.sql("UPDATE node SET value = substr(value, 1, length(value) - 1)");
    at.sql("UPDATE links SET value = x'00'");
    CHECK(refusal([&] { records.load_node(tree.below()->id()); }) == "corrupt: store: tree node " + id + ": damaged");
    CHECK(refusal([&] { records.load_links(tree.ref().links); }) ==
          "corrupt: store: link table " + tree.ref().links.text() + ": damaged");
    CHECK(records.children_of(tree.below()->id().value).empty());
}

TEST_CASE("a delta and a layer are found again, and each other") {
    Place at;
    Records records(at.path());
    const TreeDelta delta = as_delta(small_tree());
    CHECK_FALSE(records.has_delta(delta.id()));
    records.save_delta(delta.id(), delta.encode());
    CHECK(records.has_delta(delta.id()));
    CHECK(*records.load_delta(delta.id()) == delta);
    const LayerRecord layer{
        {.media_type = "a/b", .digest = Sha256::of("blob"), .size = 7}, {Sha256::of("tar")}, delta.id()};
    records.save_layer(layer);
    CHECK(records.find_layer(layer.blob.digest)->blob == layer.blob);
    CHECK(records.find_layer(layer.blob.digest)->diff_id == layer.diff_id);
    CHECK(records.layers_of(delta.id()).size() == 1);
    CHECK(records.layers_of({key}).empty());
    CHECK(records.counts().layers == 1);
}

TEST_CASE("a record that is torn or rotten is a miss, and is found and taken out by the check") {
    Place at;
    Records records(at.path());
    const TreeDelta delta = as_delta(small_tree());
    const LayerRecord layer{{.media_type = "a/b", .digest = key, .size = 7}, {key}, delta.id()};
    records.put_memo(MemoKind::run, key, "value", "");
    records.save_delta(delta.id(), delta.encode());
    records.save_layer(layer);
    records.save_tree(small_tree());
    CHECK(records.check().empty());
    at.sql("UPDATE memo SET value = x'00'");
    at.sql("UPDATE delta SET value = substr(value, 2)");
    at.sql("UPDATE layer SET value = x'0102'");
    at.sql("UPDATE links SET value = x'00'");
    CHECK_FALSE(records.find_memo(MemoKind::run, key));
    CHECK_FALSE(records.load_delta(delta.id()));
    CHECK_FALSE(records.find_layer(key));
    CHECK(records.layers_of(delta.id()).empty());
    CHECK(records.check(true) == std::vector<std::string>{"link table " + small_tree().ref().links.text() + ": damaged",
                                                          "delta " + delta.id().value.text() + ": damaged",
                                                          "layer " + key.text() + ": damaged",
                                                          "memo " + key.text() + ": damaged"});
    CHECK(records.check().empty());
}

TEST_CASE("a file that is no database, or a cut one, is moved aside and begun anew") {
    Place at;
    at.overwrite("this is not a database, but it is long enough to look at its beginning for a while.........");
    {
        Records records(at.path());
        records.put_memo(MemoKind::run, key, "value", "");
    }
    CHECK(::access((at.path() + "/store.db.damaged").c_str(), F_OK) == 0);
    CHECK(Records(at.path()).find_memo(MemoKind::run, key));
}

TEST_CASE("damage that shows only while records are read is a miss, and the next process begins anew") {
    Place at;
    {
        Records records(at.path());
        for (int i = 0; i < 2000; ++i)
            records.put_memo(MemoKind::run, Sha256::of(std::to_string(i)), std::string(200, 'x'), "");
    }
    at.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    {
        Fd fd(::open((at.path() + "/store.db").c_str(), O_WRONLY | O_CLOEXEC));
        const std::string noise(4096, '\x5a');
        for (int page = 1; page < 100; ++page)
            REQUIRE(::pwrite(fd.get(), noise.data(), noise.size(), page * 4096) == 4096);
    }
    {
        Records records(at.path());
        int found = 0;
        for (int i = 0; i < 2000; ++i) found += records.find_memo(MemoKind::run, Sha256::of(std::to_string(i))) ? 1 : 0;
        CHECK(found < 2000);
        records.put_memo(MemoKind::run, key, "value", "");
    }
    Records records(at.path());
    CHECK(records.counts().memos == 0);
    CHECK(records.check().empty());
}

TEST_CASE("a newer schema is refused and left as it is") {
    Place at;
    { Records records(at.path()); }
    at.sql("PRAGMA user_version = 4");
    CHECK(refusal([&] { Records records(at.path()); }) ==
          "unsupported: open the store: " + at.path() +
              "/store.db: written by a newer imgbuild (schema 4, this one knows 3)");
    CHECK(::access((at.path() + "/store.db.damaged").c_str(), F_OK) != 0);
}

TEST_CASE("records that are only read give what is there, take nothing, and make no file") {
    Place at;
    CHECK_FALSE(Records(at.path(), RecordsAccess::read_only).find_memo(MemoKind::run, key));
    CHECK(at.directory.directory().list() == std::vector<std::string>{"lock"});
    { Records(at.path()).put_memo(MemoKind::run, key, "value", ""); }
    at.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    Records records(at.path(), RecordsAccess::read_only);
    CHECK(records.find_memo(MemoKind::run, key)->value == "value");
    CHECK(refusal([&] { records.put_memo(MemoKind::run, key, "", ""); }) ==
          "denied: write " + at.path() + "/store.db: the store is opened for reading only");
}

TEST_CASE("the time of use is written at the end, and not again within a minute") {
    Place at;
    { Records(at.path()).put_memo(MemoKind::run, key, "value", ""); }
    auto used = [&] {
        std::int64_t time = -1;
        Records(at.path()).each_memo([&](const MemoRow& row) { time = row.used; });
        return time;
    };
    const std::int64_t first = used();
    { Records(at.path()).find_memo(MemoKind::run, key); }
    CHECK(used() == first);
    at.sql("UPDATE memo SET used = used - 61");
    { Records(at.path()).find_memo(MemoKind::run, key); }
    CHECK(used() >= first);
}

TEST_CASE("threads and a transaction do not disturb each other") {
    Place at;
    Records records(at.path());
    auto work = [&](int number) {
        for (int i = 0; i < 50; ++i) {
            const Records::Transaction outer(records);
            const Records::Transaction inner(records);
            records.put_memo(MemoKind::run, Sha256::of(std::to_string(number * 1000 + i)), "v", "");
        }
    };
    std::thread first(work, 1), second(work, 2);
    first.join();
    second.join();
    CHECK(records.counts().memos == 100);
}

TEST_CASE("removed records are gone and their space is given back") {
    Place at;
    Records records(at.path());
    const Tree tree = small_tree();
    records.save_tree(tree);
    for (const Digest& id : records.nodes()) records.remove_node(id);
    for (const Digest& id : records.link_tables()) records.remove_link_table(id);
    CHECK(records.counts().nodes == 0);
    records.shrink();
    records.save_tree(tree);
    CHECK(records.counts().nodes == 4);
}

TEST_CASE("a lost tree node takes with it what stands above and the memos of its trees, and is then saved afresh") {
    Place at;
    Records records(at.path());
    const Tree tree = small_tree();
    auto put = [&] {
        records.save_tree(tree);
        records.put_memo(MemoKind::apply, key, WireWriter().text(Records::encode_ref(tree.ref())).take(), "");
    };
    put();
    Tree other;
    records.save_tree(other);
    CHECK(records.check().empty());
    const std::size_t nodes = records.nodes().size();
    const TreeId below = records.children_of(tree.ref().node.value).at(0);
    const TreeId lost = records.children_of(below.value).at(0);  // /a/b
    SUBCASE("gone") { records.remove_node(lost.value); }
    SUBCASE("rotten") { at.sql(("UPDATE node SET value = x'00' WHERE id = x'" + lost.value.hex() + "'").c_str()); }
    put();  // the root stands, and what stands is believed
    const std::vector<std::string> found = records.check();
    REQUIRE(found.size() == 3);
    CHECK(found[0].starts_with("tree node " + lost.value.text() + ": "));
    CHECK(found[1] == "2 tree nodes stand above a tree node that is damaged or missing");
    CHECK(found[2] == "memo " + key.text() + ": a part of its tree is missing");
    CHECK(records.check(true) == found);
    CHECK(records.check().empty());
    CHECK_FALSE(records.find_memo(MemoKind::apply, key));
    put();
    CHECK(records.nodes().size() == nodes);
    CHECK(Tree::from_ref(tree.ref(), records).find(ImagePath::clean("/a/b/file")));
    CHECK(records.check().empty());
}

TEST_CASE("a step whose tree lost a node stays, without the tree") {
    Place at;
    Records records(at.path());
    const Tree tree = small_tree();
    const DeltaId delta = as_delta(tree).id();
    records.save_tree(tree);
    records.put_memo(MemoKind::run, key, StepValue{delta, 9, {{Tree().id(), tree.ref()}}}.encode(), "parts");
    records.remove_node(tree.ref().node.value);
    CHECK(records.check(true) == std::vector<std::string>{"memo " + key.text() + ": a part of its tree is missing"});
    CHECK(records.check().empty());
    const auto step = records.find_step(MemoKind::run, key, {});
    REQUIRE(step);
    CHECK(step->value.delta == delta);
    CHECK(step->value.cost == 9);
    CHECK_FALSE(step->value.applied);
    CHECK(records.find_memo(MemoKind::run, key)->preimage == "parts");
}

TEST_CASE("chunks are found by what they were made of, in the newest blob, until its layer is gone") {
    Place at;
    Records records(at.path());
    const Digest old_blob = Sha256::of("old blob");
    const Digest new_blob = Sha256::of("new blob");
    const PackedChunk chunk{.key = key, .sum = ~std::uint64_t{5}, .offset = 7, .size = 6, .tar_size = 1024};
    records.save_chunks(old_blob, std::vector{chunk});
    records.save_chunks(new_blob, std::vector{chunk});
    CHECK(records.find_chunk(key)->blob == new_blob);
    CHECK(records.find_chunk(key)->chunk.sum == chunk.sum);
    CHECK(records.find_chunk(key)->chunk.offset == 7);
    CHECK(records.find_chunk(key)->chunk.size == 6);
    CHECK(records.find_chunk(key)->chunk.tar_size == 1024);
    CHECK_FALSE(records.find_chunk(Sha256::of("another")));

    records.save_layer({{.media_type = "a/b", .digest = new_blob, .size = 13}, {key}, {key}});
    records.remove_lost_blobs();
    CHECK(records.find_chunk(key));
    records.remove_layer(new_blob);
    records.remove_lost_blobs();
    CHECK_FALSE(records.find_chunk(key));
}

TEST_CASE("a damaged chunk record is a miss, and found by a check") {
    Place at;
    { Records(at.path()).save_chunks(key, std::vector{PackedChunk{.key = key}}); }
    at.sql("UPDATE chunk SET value = x'00'");
    Records records(at.path());
    CHECK_FALSE(records.find_chunk(key));
    CHECK(records.check(true) == std::vector<std::string>{"chunk " + key.text() + ": damaged"});
    CHECK(records.check().empty());
}

TEST_CASE("records of earlier schemas are kept and get what they lack, also where they are only read") {
    Place at;
    const TreeDelta delta = as_delta(small_tree());
    {
        Records records(at.path());
        records.put_memo(MemoKind::run, key, StepValue{delta.id(), 7, std::nullopt}.encode(), "");
        records.save_delta(delta.id(), delta.encode());
    }
    at.sql("INSERT INTO memo VALUES(6, x'00', x'00', x'00', 0, 0, x'00'); PRAGMA user_version = 2; DROP TABLE packed");
    SUBCASE("schema 1") { at.sql("DROP TABLE chunk; PRAGMA user_version = 1"); }
    SUBCASE("schema 2") {}
    at.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    {
        Records records(at.path(), RecordsAccess::read_only);
        CHECK(records.find_step(MemoKind::run, key, key)->value.cost == 7);
    }
    Records records(at.path());
    CHECK(records.counts().memos == 1);
    CHECK(records.find_step(MemoKind::run, key, key)->has_delta);
    records.save_chunks(key, std::vector{PackedChunk{.key = key}});
    CHECK(records.find_chunk(key));
    records.save_packed(key, {{.media_type = "a/b", .digest = key, .size = 7}, {key}, delta.id()});
    CHECK(records.find_step(MemoKind::run, key, key)->packed);
}

TEST_CASE(
    "the record of a step is one read: its result, whether its delta is there, and its layer as it is asked for") {
    Place at;
    Records records(at.path());
    const Tree tree = small_tree();
    const TreeDelta delta = as_delta(tree);
    const Digest packing = Sha256::of("packing");
    const LayerRecord layer{{.media_type = "a/b", .digest = Sha256::of("blob"), .size = 7}, {key}, delta.id()};
    CHECK_FALSE(records.find_step(MemoKind::run, key, packing));
    records.put_memo(MemoKind::run, key, StepValue{delta.id(), 1200, {{Tree().id(), tree.ref()}}}.encode(), "parts");

    auto step = records.find_step(MemoKind::run, key, packing);
    REQUIRE(step);
    CHECK(step->value.delta == delta.id());
    CHECK(step->value.cost == 1200);
    CHECK(step->value.applied->root == Tree().id());
    CHECK(step->value.applied->result.node == tree.ref().node);
    CHECK_FALSE(step->has_delta);
    CHECK_FALSE(step->packed);
    CHECK_FALSE(records.find_step(MemoKind::edit, key, packing));

    records.save_delta(delta.id(), delta.encode());
    records.save_packed(packing, layer);
    step = records.find_step(MemoKind::run, key, packing);
    CHECK(step->has_delta);
    CHECK(step->packed->blob == layer.blob);
    CHECK(step->packed->diff_id == layer.diff_id);
    CHECK_FALSE(records.find_step(MemoKind::run, key, Sha256::of("another"))->packed);
    CHECK(records.find_packed(delta.id(), packing)->blob == layer.blob);
    CHECK_FALSE(records.find_packed({key}, packing));
}

TEST_CASE("a damaged packing is a miss, found by a check, and one without its blob goes with the lost blobs") {
    Place at;
    Records records(at.path());
    const LayerRecord layer{{.media_type = "a/b", .digest = Sha256::of("blob"), .size = 7}, {key}, {key}};
    records.save_packed(key, layer);
    SUBCASE("damaged") {
        at.sql("UPDATE packed SET value = substr(value, 1, length(value) - 1)");
        CHECK_FALSE(records.find_packed({key}, key));
        CHECK(records.check(true) == std::vector<std::string>{"packed layer of delta " + key.text() + ": damaged"});
        CHECK(records.check().empty());
    }
    SUBCASE("moved to another delta") {
        at.sql("UPDATE packed SET delta = zeroblob(32)");
        CHECK_FALSE(records.find_packed({}, key));
    }
    SUBCASE("its blob is gone") {
        records.save_layer(layer);
        records.remove_lost_blobs();
        CHECK(records.find_packed({key}, key));
        records.remove_layer(layer.blob.digest);
        records.remove_lost_blobs();
        CHECK_FALSE(records.find_packed({key}, key));
    }
}
