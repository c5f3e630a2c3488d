// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <ctime>

#include "base/error.h"
#include "base/wire.h"
#include "layerstore/store/store.h"
#include "layerstore/store/test_support.h"
#include "layerstore/tree/algebra.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;
using namespace imgbuild::layerstore::test;

namespace {

struct PruneStore : StorePlace {
    std::unique_ptr<Store> store = open();

    PruneResult prune(const PruneOptions& options) const {
        return store->prune(options, [this](const std::string& spelling, const DeltaId& id) {
            store->root()
                .open_directory(ImagePath::clean("deltas/" + spelling), FollowLinks::never)
                .remove_tree(id.value.hex());
            return true;
        });
    }
    /// A memo of a RUN whose delta is materialised and whose layer is a blob; used `age` seconds ago.
    DeltaId step(const std::string& name, std::int64_t age) const {
        Change file{ImagePath::clean("/" + name), ChangeKind::put, {.size = 1000, .content = Sha256::of(name)}};
        const TreeDelta delta = TreeDelta::build({file});
        const Digest blob = store->blobs().put("blob of " + name);
        Records& records = store->records();
        records.save_delta(delta.id(), delta.encode());
        records.save_layer({{.media_type = "a/b", .digest = blob, .size = 8 + name.size()}, {blob}, delta.id()});
        records.put_memo(MemoKind::run, Sha256::of(name), delta.id().value.raw(), "");
        store->root().make_directory(ImagePath::clean("deltas/root/" + delta.id().value.hex() + "/files"));
        sql("UPDATE memo SET used = used - " + std::to_string(age) + " WHERE key = x'" + Sha256::of(name).hex() + "'");
        return delta.id();
    }
    bool has_step(const std::string& name, const DeltaId& id) const {
        const bool blob = store->blobs().has(Sha256::of("blob of " + name));
        const bool directory = has("deltas/root/" + id.value.hex());
        const bool memo = store->records().find_memo(MemoKind::run, Sha256::of(name)).has_value();
        CHECK(blob == directory);
        CHECK(blob == memo);
        return memo;
    }
};

}  // namespace

TEST_CASE("pruning takes what nothing needs, and only that") {
    PruneStore at;
    const Descriptor image = put_image(*at.store, {"layer"});
    at.store->tag({"app:1"}, image);
    const DeltaId step = at.step("one", 100);
    const Digest garbage = at.store->blobs().put("garbage");
    const PruneResult planned = at.prune({.dry_run = true});
    CHECK(planned.blobs == 1);
    CHECK(planned.bytes == 7);
    CHECK(at.store->blobs().has(garbage));
    const PruneResult result = at.prune({});
    CHECK(result.blobs == 1);
    CHECK(result.deltas == 0);
    CHECK_FALSE(at.store->blobs().has(garbage));
    CHECK(at.has_step("one", step));
    CHECK(at.store->read_image(image, Platform::parse("amd64"), "app:1").manifest.layers.size() == 1);
    CHECK(at.store->fsck(false).empty());
}

TEST_CASE("a collection that cannot write its records says so and takes nothing away") {
    PruneStore at;
    const DeltaId step = at.step("one", 100);
    // As on a disk that fails or is full: no file can grow.
    const auto handler = ::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const rlimit nothing{1, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &nothing) == 0);
    bool is_refused = false;
    try {
        at.prune({.all = true});
    } catch (const Error&) {
        is_refused = true;
    }
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    ::signal(SIGXFSZ, handler);
    CHECK(is_refused);
    CHECK(at.has_step("one", step));
    CHECK(at.store->fsck(false).empty());
}

TEST_CASE("pruning all leaves what the names of images hold, whole") {
    PruneStore at;
    const Descriptor image = put_image(*at.store, {"layer"});
    const Descriptor index =
        put_blob(*at.store, media_type::oci_index,
                 Index{.media_type = std::string(media_type::oci_index), .manifests = {image}}.encode());
    at.store->tag({"app:1"}, index);
    at.store->tag({"gone:1"}, put_image(*at.store, {"gone"}));
    at.store->untag("gone:1");
    const DeltaId step = at.step("one", 100);
    const PruneResult result = at.prune({.all = true});
    CHECK(result.deltas == 1);
    CHECK_FALSE(at.has_step("one", step));
    CHECK_FALSE(at.store->blobs().has(Sha256::of("gone")));
    CHECK(at.store->blobs().list().size() == 4);
    CHECK(at.store->records().counts().memos == 0);
    CHECK(at.store->records().counts().deltas == 0);
    CHECK(at.store->records().counts().layers == 0);
    CHECK(at.store->fsck(false).empty());
}

TEST_CASE("what was not used for long goes, what was used lately stays") {
    PruneStore at;
    const DeltaId old = at.step("old", 7200);
    const DeltaId young = at.step("young", 60);
    at.prune({.unused_seconds = 3600});
    CHECK_FALSE(at.has_step("old", old));
    CHECK(at.has_step("young", young));
}

TEST_CASE("the least recently used goes first, until the store is small enough") {
    PruneStore at;
    const DeltaId first = at.step("first", 300);
    const DeltaId second = at.step("second", 200);
    const DeltaId third = at.step("third", 100);
    const PruneResult everything = at.prune({.all = true, .dry_run = true});
    CHECK(everything.deltas == 3);
    std::uint64_t database = 0;
    if (auto status = at.store->root().status(ImagePath::clean("store.db"))) database = status->st_size;
    // Room for two steps of about 1,000 bytes each.
    at.prune({.keep_bytes = database + 2500});
    CHECK_FALSE(at.has_step("first", first));
    CHECK(at.has_step("second", second));
    CHECK(at.has_step("third", third));
}

TEST_CASE("files are counted as well as bytes") {
    PruneStore at;
    const DeltaId first = at.step("first", 300);
    const DeltaId second = at.step("second", 200);
    const PruneResult everything = at.prune({.all = true, .dry_run = true});
    CHECK(everything.inodes == 4);  // a blob and a directory of one file each
    CHECK(at.prune({.keep_inodes = 4}).inodes == 0);
    CHECK(at.prune({.keep_bytes = std::uint64_t{1} << 40, .keep_inodes = 2}).inodes == 2);
    CHECK_FALSE(at.has_step("first", first));
    CHECK(at.has_step("second", second));
}

TEST_CASE("nodes and tables that only lost memos name go, shared ones stay") {
    PruneStore at;
    auto tree_with = [](const char* name) {
        Change directory{ImagePath::clean("/shared"), ChangeKind::put, {.kind = EntryKind::directory, .mode = 0755}};
        Change file{ImagePath::clean("/shared/file"), ChangeKind::put, {.size = 1, .content = Sha256::of("x")}};
        Change own{ImagePath::clean(name), ChangeKind::put, {.size = 1, .content = Sha256::of(name)}};
        Change twin = own;
        twin.path = ImagePath::clean(std::string(name) + ".twin");
        return apply(Tree(), TreeDelta::build({directory, file, own, twin}, {{own.path, twin.path}}));
    };
    Records& records = at.store->records();
    for (const char* name : {"/old", "/new"}) {
        records.save_tree(tree_with(name));
        records.put_memo(MemoKind::apply, Sha256::of(name), Records::encode_ref(tree_with(name).ref()), "");
    }
    CHECK(records.counts().nodes == 3);
    records.remove_memo(MemoKind::apply, Sha256::of("/old"));
    at.prune({});
    CHECK(records.counts().nodes == 2);
    CHECK(records.link_tables().size() == 1);
    const auto memo = records.find_memo(MemoKind::apply, Sha256::of("/new"));
    const Tree loaded = Tree::from_ref(Records::decode_ref(memo->value), records);
    CHECK(loaded.count_entries() == 4);
    CHECK(loaded.links().size() == 1);
}

TEST_CASE("while others have the store open, young blobs and results, leased ones and tree records are spared") {
    PruneStore at;
    auto other = at.open();
    const Digest leased = at.store->blobs().put("leased");
    const Digest young = at.store->blobs().put("young");
    const Digest old = at.store->blobs().put("old");
    const timespec times[2] = {{.tv_sec = ::time(nullptr) - 3600}, {.tv_sec = ::time(nullptr) - 3600}};
    for (const Digest& blob : {leased, old})
        REQUIRE(::utimensat(at.store->blobs().directory().fd(), blob.hex().c_str(), times, 0) == 0);
    at.store->records().save_tree(Tree());
    const Digest step = Sha256::of("step");
    at.store->records().put_memo(MemoKind::edit, step, "value", "");
    auto lease = other->lease();
    lease->add(leased);
    CHECK(at.prune({.all = true}).blobs == 1);
    CHECK(at.store->blobs().has(leased));
    CHECK(at.store->blobs().has(young));
    CHECK_FALSE(at.store->blobs().has(old));
    CHECK(at.store->records().counts().nodes == 1);
    CHECK(at.store->records().find_memo(MemoKind::edit, step));
    lease.reset();
    other.reset();
    at.prune({.all = true});
    CHECK(at.store->blobs().list().empty());
    CHECK(at.store->records().counts().nodes == 0);
    CHECK_FALSE(at.store->records().find_memo(MemoKind::edit, step));
}

TEST_CASE("a delta that could not be removed is not counted, and a leased one is not tried") {
    PruneStore at;
    const DeltaId step = at.step("one", 100);
    auto lease = at.store->lease();
    lease->add(step);
    const PruneResult spared = at.prune({.all = true});
    CHECK(spared.deltas == 0);
    CHECK(at.has("deltas/root/" + step.value.hex()));
    lease.reset();
    const PruneResult failed = at.store->prune({.all = true}, [](const std::string&, const DeltaId&) { return false; });
    CHECK(failed.deltas == 0);
    CHECK(at.has("deltas/root/" + step.value.hex()));
}

TEST_CASE("an image that only a memo names keeps its layers as long as the memo") {
    PruneStore at;
    const Descriptor base = put_image(*at.store, {"base layer"});
    at.store->records().put_memo(MemoKind::image, base.digest, "tree", "");
    at.prune({});
    CHECK(at.store->blobs().has(Sha256::of("base layer")));
    at.prune({.all = true});
    CHECK(at.store->blobs().list().empty());
}

TEST_CASE("the store can be used after it was pruned") {
    PruneStore at;
    at.prune({.all = true});
    CHECK(at.store->is_writable());
    at.store->tag({"app:1"}, put_image(*at.store, {"x"}));
    CHECK(at.open()->find_image("app:1"));
}

TEST_CASE("an index of a context goes when its folder is gone, or when no build used it for long") {
    PruneStore at;
    const Directory contexts = at.store->subdirectory("contexts");
    const Directory folder = Directory::create_host(at.scratch.path() + "/folder");
    auto put = [&](const std::string& name, const std::string& root, std::int64_t age) {
        WireWriter body;
        body.text(root).varint(0);
        at.overwrite("contexts/" + name,
                     "imgbuild context index 1\n" + std::string(Sha256::of("").raw()) + body.take());
        const timespec time{std::time(nullptr) - age, 0};
        const timespec times[2] = {time, time};
        REQUIRE(::utimensat(contexts.fd(), name.c_str(), times, 0) == 0);
    };
    constexpr std::int64_t day = 24 * 3600;
    auto left = [&] {
        std::vector<std::string> names = contexts.list();
        std::sort(names.begin(), names.end());
        return names;
    };
    put("used", folder.name(), 0);
    put("week", folder.name(), 7 * day);
    put("old", folder.name(), 31 * day);
    put("gone", folder.name() + "/missing", 0);
    put("unnamed", "64768:12", 0);
    at.prune({});
    CHECK(left() == std::vector<std::string>{"unnamed", "used", "week"});
    at.prune({.unused_seconds = day});
    CHECK(left() == std::vector<std::string>{"unnamed", "used"});
}
