// SPDX-License-Identifier: Apache-2.0
#include "layerstore/store/store.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#include "base/compression.h"
#include "layerstore/store/stored_chunks.h"
#include "layerstore/store/test_support.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;
using namespace imgbuild::layerstore::test;

TEST_CASE("a new store is private, an image layout, and says its format and owner") {
    StorePlace at;
    auto store = at.open();
    struct stat status {};
    REQUIRE(::stat(at.path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0700);
    CHECK(store->root().read_file(ImagePath::clean("format"), 100) ==
          "imgbuild store 1\nowner " + std::to_string(::geteuid()) + "\n");
    CHECK(read_layout_index(store->root()).manifests.empty());
    CHECK(store->images().empty());
    CHECK(store->is_writable());
    CHECK_FALSE(at.has("store.db"));
    store->records();
    CHECK(at.has("store.db"));
}

TEST_CASE("a store that was half made is made whole") {
    StorePlace at;
    REQUIRE(::mkdir(at.path.c_str(), 0700) == 0);
    REQUIRE(::mkdir((at.path + "/pending").c_str(), 0700) == 0);
    at.overwrite("use.lock", "");
    at.overwrite(".new-0123456789abcdef", "half a format");
    CHECK(at.open()->images().empty());
}

TEST_CASE("a directory of something else is refused and not touched") {
    StorePlace at;
    REQUIRE(::mkdir(at.path.c_str(), 0755) == 0);
    at.overwrite("letters.txt", "x");
    CHECK(refusal([&] { at.open(); }) ==
          "invalid_input: open the store: " + at.path + ": holds \"letters.txt\" and is no store of imgbuild");
    CHECK(Directory::open_host(at.path).list() == std::vector<std::string>{"letters.txt"});
}

TEST_CASE("a newer format is refused and not touched") {
    StorePlace at;
    { at.open(); }
    at.overwrite("format", "imgbuild store 2\nowner 0\nand more\n");
    ::unlink((at.path + "/use.lock").c_str());
    CHECK(refusal([&] { at.open(); }) ==
          "unsupported: open the store: " + at.path + ": written by a newer imgbuild (format 2, this one knows 1)");
    CHECK_FALSE(at.has("use.lock"));
    at.overwrite("format", "imgb");
    CHECK(refusal([&] { at.open(); }) == "corrupt: open the store: " + at.path + "/format: damaged");
    try {
        at.open();
    } catch (const Error& error) {
        CHECK(error.hint() == "it holds two lines, \"imgbuild store 1\" and \"owner " + std::to_string(::geteuid()) +
                                  "\": write them to it, then run imgbuild fsck");
    }
}

TEST_CASE("the store of another user is refused, and both are named") {
    StorePlace at;
    { at.open(); }
    at.overwrite("format", "imgbuild store 1\nowner 4000001\n");
    const std::string self = ::geteuid() == 0 ? "root (0)" : "";
    const std::string message = refusal([&] { at.open(); });
    CHECK(message.starts_with("denied: open the store: " + at.path + ": belongs to user 4000001, and this is " + self));
}

TEST_CASE("two open stores see each other's blobs, records and names") {
    StorePlace at;
    auto one = at.open();
    auto two = at.open();
    const Descriptor image = put_image(*one, {"layer"});
    one->tag({"app:1"}, image);
    CHECK(two->find_image("app:1")->descriptor.digest == image.digest);
    CHECK(two->blobs().read(image.digest, 10'000, "test").size() == image.size);
    one->records().put_memo(MemoKind::run, image.digest, "v", "");
    CHECK(two->records().find_memo(MemoKind::run, image.digest));
}

TEST_CASE("what dead processes left in pending and leases is swept by the first that comes, and only by it") {
    StorePlace at;
    { at.open(); }
    REQUIRE(::mkdir((at.path + "/pending/dead").c_str(), 0700) == 0);
    at.overwrite("pending/dead/half", "x");
    at.overwrite("leases/dead", "blob x");
    auto store = at.open();
    CHECK_FALSE(at.has("pending/dead"));
    CHECK_FALSE(at.has("leases/dead"));
    auto writer = store->blobs().begin();
    writer->write(as_bytes("half"));
    REQUIRE(::mkdir((at.path + "/pending/new").c_str(), 0700) == 0);
    auto second = at.open();
    CHECK(at.has("pending/new"));
    CHECK(writer->commit() == Sha256::of("half"));
}

TEST_CASE("an ended store and an ended lease leave nothing in pending and leases") {
    StorePlace at;
    {
        auto store = at.open();
        auto lease = store->lease();
        lease->add(Sha256::of("x"));
        CHECK(Directory::open_host(at.path + "/leases").list().size() == 1);
    }
    CHECK(Directory::open_host(at.path + "/leases").list().empty());
    CHECK(Directory::open_host(at.path + "/pending").list().empty());
}

TEST_CASE("a store on a read-only place is read and never written") {
    if (::geteuid() == 0) return;  // root may write everywhere; the end-to-end tests mount one read-only
    StorePlace at;
    Descriptor image;
    {
        auto store = at.open();
        image = put_image(*store, {"layer"});
        store->tag({"app:1"}, image);
        store->records().put_memo(MemoKind::run, image.digest, "v", "");
    }
    REQUIRE(::chmod(at.path.c_str(), 0500) == 0);
    {
        auto store = at.open();
        CHECK_FALSE(store->is_writable());
        CHECK(store->find_image("app:1"));
        CHECK(store->records().find_memo(MemoKind::run, image.digest)->value == "v");
        CHECK(refusal([&] { store->tag({"app:2"}, image); }) ==
              "denied: name the image: " + at.path + ": the store is opened for reading only");
        CHECK(store->fsck(false).empty());
    }
    REQUIRE(::chmod(at.path.c_str(), 0700) == 0);
}

TEST_CASE("the store's place is a flag's, else root's, else the user's data folder") {
    auto with = [](const char* store, const char* data, const char* home) {
        for (auto [name, value] : {std::pair{"IMGBUILD_STORE", store}, {"XDG_DATA_HOME", data}, {"HOME", home}}) {
            if (value)
                ::setenv(name, value, 1);
            else
                ::unsetenv(name);
        }
        return refusal([] { throw Error(ErrorKind::usage, Store::default_path()); });
    };
    const char* old_home = std::getenv("HOME");
    const std::string home = old_home ? old_home : "/";
    CHECK(with("/s", "/d", "/h") == "usage: /s");
    if (::geteuid() == 0) {
        CHECK(with("", "/d", "/h") == "usage: /var/lib/imgbuild");
    } else {
        CHECK(with(nullptr, "/d", "/h") == "usage: /d/imgbuild");
        CHECK(with(nullptr, "", "/h") == "usage: /h/.local/share/imgbuild");
        CHECK(with(nullptr, nullptr, nullptr) == "usage: open the store: neither HOME nor XDG_DATA_HOME is set");
    }
    with(nullptr, nullptr, home.c_str());
}

TEST_CASE("a chunk of a stored layer is given out as long as its bytes are what they were") {
    StorePlace place;
    const auto store = place.open();
    const std::string blob = "before packed after";
    const Digest digest = store->blobs().put(blob);
    const PackedChunk chunk{.key = Sha256::of("key"), .sum = accident_sum("packed"), .offset = 7, .size = 6};
    store->records().save_chunks(digest, std::vector{chunk});
    StoredChunks chunks(*store);
    CHECK(chunks.has(chunk.key));
    CHECK(chunks.find(chunk.key)->packed == "packed");
    CHECK_FALSE(chunks.has(Sha256::of("another")));
    CHECK_FALSE(chunks.find(Sha256::of("another")));

    place.overwrite("blobs/sha256/" + digest.hex(), "before PACKED after");
    CHECK_FALSE(chunks.find(chunk.key));
    place.overwrite("blobs/sha256/" + digest.hex(), "before");
    CHECK_FALSE(chunks.find(chunk.key));
    store->blobs().remove(digest);
    CHECK_FALSE(chunks.find(chunk.key));
    CHECK_FALSE(chunks.has(chunk.key));
}
