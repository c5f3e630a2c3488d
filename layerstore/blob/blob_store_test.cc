// SPDX-License-Identifier: Apache-2.0
#include "layerstore/blob/blob_store.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/temporary_directory.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;

namespace {

struct Scratch {
    TemporaryDirectory place = TemporaryDirectory::create();
    Directory root = place.directory().make_directory(ImagePath::clean("store"));
    Directory pending = place.directory().make_directory(ImagePath::clean("pending"));
    BlobStore blobs{root.duplicate(), pending.duplicate()};

    std::string file(const Digest& digest) const { return blobs.directory().name() + "/" + digest.hex(); }
};

// The only way to change a blob: it is read-only on purpose.
void overwrite(const std::string& path, std::string_view bytes) {
    REQUIRE(::unlink(path.c_str()) == 0);
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    FdWriter(fd.get(), path).write(as_bytes(bytes));
}

std::string message_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return std::string(name_of(error.kind())) + ": " + error.full_message();
    }
    return "no error";
}

}  // namespace

TEST_CASE("a blob is visible under the digest of its bytes once it is committed, and not before") {
    Scratch at;
    auto writer = at.blobs.begin();
    writer->write(as_bytes("hello"));
    const Digest digest = Sha256::of("hello");
    CHECK_FALSE(at.blobs.has(digest));
    CHECK(writer->commit() == digest);
    CHECK(at.blobs.size(digest) == 5);
    CHECK(at.blobs.read(digest, 100, "test") == "hello");
    CHECK(at.blobs.list() == std::vector<Digest>{digest});
    at.blobs.sync();
}

TEST_CASE("a blob that is not committed leaves nothing behind") {
    Scratch at;
    at.blobs.begin()->write(as_bytes("half"));
    CHECK(at.blobs.list().empty());
    CHECK(at.pending.list().empty());
}

TEST_CASE("bytes that are not what was announced never become visible") {
    Scratch at;
    auto write = [&](std::string_view bytes, std::uint64_t size) {
        return message_of([&] {
            auto writer = at.blobs.begin();
            writer->write(as_bytes(bytes));
            writer->commit_expecting(Sha256::of("right"), size, "layer 1 of app:1");
        });
    };
    CHECK(write("wrong", 5) == "corrupt: layer 1 of app:1: its content is " + Sha256::of("wrong").text() + " and not " +
                                   Sha256::of("right").text());
    CHECK(write("right", 4) == "corrupt: layer 1 of app:1: 5 bytes instead of 4");
    CHECK(at.blobs.list().empty());
    CHECK(write("right", 5) == "no error");
    CHECK(at.blobs.list().size() == 1);
}

TEST_CASE("a tampered blob fails at its end and is named") {
    Scratch at;
    const Digest digest = at.blobs.put("hello");
    overwrite(at.file(digest), "hellO");
    CHECK(message_of([&] {
              at.blobs.read(digest, 100, "config of app:1");
          }).starts_with("corrupt: config of app:1: blob " + digest.text() + ": its content is sha256:"));
}

TEST_CASE("a blob of another size fails before it is read, and a new write heals it") {
    Scratch at;
    const Digest digest = at.blobs.put("hello");
    overwrite(at.file(digest), "");
    CHECK(message_of([&] { at.blobs.open(digest, 5, "app:1"); }) ==
          "corrupt: app:1: blob " + digest.text() + ": 0 bytes instead of 5");
    at.blobs.put("hello");
    CHECK(at.blobs.read(digest, 100, "app:1") == "hello");
}

TEST_CASE("a missing blob, a link, a fifo and a directory are errors and never followed") {
    Scratch at;
    const Digest digest = at.blobs.put("hello");
    const std::string path = at.file(digest);
    auto opened = [&] { return message_of([&] { at.blobs.open(digest, 5, "app:1"); }); };
    ::unlink(path.c_str());
    CHECK(opened() == "not_found: app:1: blob " + digest.text() + ": missing");
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK(opened() == "corrupt: app:1: blob " + digest.text() + ": not a regular file");
    at.blobs.remove(digest);
    REQUIRE(::symlink("/etc/hostname", path.c_str()) == 0);
    CHECK(opened() == "corrupt: app:1: blob " + digest.text() + ": not a regular file");
    CHECK_FALSE(at.blobs.has(digest));
    at.blobs.remove(digest);
    REQUIRE(::mkdir(path.c_str(), 0700) == 0);
    CHECK(opened() == "corrupt: app:1: blob " + digest.text() + ": not a regular file");
    at.blobs.remove(digest);
    CHECK(at.blobs.list().empty());
}

TEST_CASE("a small blob above the caller's limit is refused unread") {
    Scratch at;
    const Digest digest = at.blobs.put("hello");
    CHECK(message_of([&] { at.blobs.read(digest, 4, "manifest"); }) ==
          "invalid_input: manifest: blob " + digest.text() + ": larger than 4 B");
}

TEST_CASE("a store without scratch is read and never written") {
    Scratch at;
    const Digest digest = at.blobs.put("hello");
    const BlobStore reading(at.root.duplicate(), Directory());
    CHECK(reading.read(digest, 100, "x") == "hello");
    CHECK(message_of([&] { reading.begin(); }) ==
          "denied: write a blob: " + at.root.name() + ": opened for reading only");
    Directory other = at.place.directory().make_directory(ImagePath::clean("other"));
    const BlobStore nothing(other.duplicate(), Directory());
    CHECK_FALSE(nothing.has(digest));
    CHECK(nothing.list().empty());
    CHECK(other.list().empty());
}

TEST_CASE("blobs/sha256 that is a link is refused: writes would land elsewhere") {
    Scratch at;
    Directory other = at.place.directory().make_directory(ImagePath::clean("other"));
    other.make_directory(ImagePath::clean("blobs"));
    REQUIRE(::symlinkat("../../store", other.fd(), "blobs/sha256") == 0);
    CHECK_THROWS_AS(BlobStore(other.duplicate(), at.pending.duplicate()), Error);
}

TEST_CASE("files that are no blobs are left out of the list") {
    Scratch at;
    write_file_atomically(at.blobs.directory(), ".tmp-123", "x", Durability::none);
    CHECK(at.blobs.list().empty());
}
