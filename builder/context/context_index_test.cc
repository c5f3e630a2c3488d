// SPDX-License-Identifier: Apache-2.0
#include "builder/context/detail/context_index.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/atomic_file.h"
#include "builder/context/context_fixture.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::builder::test;

namespace {

layerstore::FileTime time_of(const ScannedContext& scanned, std::string_view path) {
    return scanned.tree.find(at(path))->mtime;
}

// "a b/c": the paths in the index, without the root.
std::string indexed(const ContextFixture& fixture) {
    ContextIndex index = ContextIndex::load(fixture.indexes, index_name(fixture.context));
    std::string text;
    for (ContextIndex::Cursor at(index); !at.at_end(); at.next())
        if (!at.path().empty()) text += (text.empty() ? "" : " ") + at.path().substr(1);
    return text;
}

std::string bytes_of(const std::string& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return read_file(fd.get(), 1 << 20, path);
}

void overwrite(const std::string& path, std::string_view bytes) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
    FdWriter(fd.get(), path).write(as_bytes(bytes));
}

void set_mtime(const std::string& path, timespec time) {
    timespec times[] = {time, time};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

}  // namespace

TEST_CASE("an unchanged context is not hashed and its index not written again") {
    ContextFixture fixture;
    fixture.file("a/b", "1");
    fixture.file("c", "2");
    fixture.link("l", "c");
    ScannedContext first = fixture.scan_aged();
    CHECK(first.hashed_files == 2);
    struct stat before {
    }, after{};
    set_mtime(fixture.index_file(), {1000, 0});
    REQUIRE(::stat(fixture.index_file().c_str(), &before) == 0);
    ScannedContext second = fixture.scan_aged();
    CHECK(second.hashed_files == 0);
    CHECK(second.files == 2);
    CHECK(second.tree == first.tree);
    REQUIRE(::stat(fixture.index_file().c_str(), &after) == 0);
    CHECK(before.st_ino == after.st_ino);
    CHECK(after.st_mtime > 1000);  // by that pruning sees that it is used
    CHECK(fixture.indexes.list().size() == 1);
}

TEST_CASE("other bytes with the same size and the same time are told apart") {
    ContextFixture fixture;
    fixture.file("f", "first");
    set_mtime(fixture.path("f"), {1'700'000'000, 5});
    fixture.scan_aged();
    CHECK(fixture.scan_aged().hashed_files == 0);
    fixture.file("f", "other");
    set_mtime(fixture.path("f"), {1'700'000'000, 5});
    ScannedContext scanned = fixture.scan_aged();
    CHECK(scanned.hashed_files == 1);
    CHECK(scanned.tree.find(at("f"))->content == Sha256::of("other"));
}

TEST_CASE("the index is believed where size, inode, device and both times agree, and only there") {
    ContextFixture fixture;
    fixture.file("f", "bytes");
    fixture.scan_aged();
    IndexName name = index_name(fixture.context);
    auto scan_after = [&](auto change) {
        ContextIndex index = ContextIndex::load(fixture.indexes, name);
        ContextIndex::Cursor at(index);
        IndexWriter writer;
        writer.add(at.path(), at.record());
        at.next();
        IndexRecord record = at.record();
        record.content = Sha256::of("a lie");
        change(record);
        writer.add(at.path(), record);
        writer.commit(fixture.indexes, name);
        return fixture.scan().tree.find(builder::test::at("f"))->content;
    };
    Digest right = Sha256::of("bytes");
    CHECK(scan_after([](IndexRecord& record) { record.identity.size += 1; }) == right);
    CHECK(scan_after([](IndexRecord& record) { record.identity.inode += 1; }) == right);
    CHECK(scan_after([](IndexRecord& record) { record.identity.device += 1; }) == right);
    CHECK(scan_after([](IndexRecord& record) { record.identity.mtime.nanoseconds ^= 1; }) == right);
    CHECK(scan_after([](IndexRecord& record) { record.identity.ctime.nanoseconds ^= 1; }) == right);
    CHECK(scan_after([](IndexRecord& record) { record.settled = false; }) == right);
    CHECK(scan_after([](IndexRecord&) {}) == Sha256::of("a lie"));
}

TEST_CASE("a file as young as the scan is hashed again, until it is old enough") {
    ContextFixture fixture;
    fixture.options.racy_margin = std::chrono::milliseconds(400);
    fixture.file("young", "1");
    fixture.scan();
    CHECK(fixture.scan().hashed_files == 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    CHECK(fixture.scan().hashed_files == 1);  // what the index says is from when it was young
    CHECK(fixture.scan().hashed_files == 0);
    // A time in the future is never old enough.
    set_mtime(fixture.path("young"), {4'000'000'000, 0});
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    fixture.scan();
    CHECK(fixture.scan().hashed_files == 1);
}

TEST_CASE("content keeps the time at which it was first seen") {
    ContextFixture fixture;
    fixture.file("d/same", "same");
    fixture.file("d/edited", "before");
    fixture.file("d/touched", "touched");
    fixture.file("d/mode", "mode");
    fixture.link("d/link", "before");
    ScannedContext first = fixture.scan_aged();
    CHECK(time_of(first, "d/same") == time_of(first, "d"));
    fixture.file("d/edited", "behind");
    set_mtime(fixture.path("d/edited"), {1000, 0});
    set_mtime(fixture.path("d/touched"), {2'000'000, 0});
    ::chmod(fixture.path("d/mode").c_str(), 0600);
    fixture.context.open_directory(at("d"), FollowLinks::never).remove_tree("link");
    fixture.link("d/link", "behind");
    fixture.file("d/new", "new");
    ScannedContext second = fixture.scan_aged();
    for (const char* path : {"d", "d/same", "d/touched"}) CHECK(time_of(second, path) == time_of(first, path));
    CHECK(second.tree.root_entry() == first.tree.root_entry());
    for (const char* path : {"d/edited", "d/mode", "d/link", "d/new"})
        CHECK(time_of(second, path) > time_of(first, "d/same"));
    // Back to what it was: new again, for what was made in between is newer than the first time.
    fixture.file("d/edited", "before");
    ScannedContext third = fixture.scan_aged();
    CHECK(time_of(third, "d/edited") > time_of(second, "d/edited"));
    CHECK(time_of(third, "d/mode") == time_of(second, "d/mode"));
    CHECK(fixture.scan_aged().tree == third.tree);
}

TEST_CASE("a file that was taken away and comes back is new") {
    ContextFixture fixture;
    fixture.file("d/f", "same");
    fixture.file("e", "same");
    ScannedContext first = fixture.scan_aged();
    fixture.context.remove_tree("d");
    fixture.scan_aged();
    CHECK(indexed(fixture) == "e");
    fixture.file("d/f", "same");
    CHECK(time_of(fixture.scan_aged(), "d/f") > time_of(first, "d/f"));
}

TEST_CASE("content behind a clock that was set back still gets a later time") {
    ContextFixture fixture;
    fixture.file("f", "old");
    fixture.scan();
    IndexName name = index_name(fixture.context);
    ContextIndex index = ContextIndex::load(fixture.indexes, name);
    IndexWriter writer;
    layerstore::FileTime future{4'000'000'000, 999'999'999};
    for (ContextIndex::Cursor at(index); !at.at_end(); at.next()) {
        IndexRecord record = at.record();
        record.first_seen = future;
        writer.add(at.path(), record);
    }
    writer.commit(fixture.indexes, name);
    CHECK(time_of(fixture.scan_aged(), "f") == future);
    fixture.file("f", "new");
    CHECK(time_of(fixture.scan_aged(), "f") == layerstore::FileTime{4'000'000'001, 0});
}

TEST_CASE("a scan keeps what the index knows of paths that it did not visit") {
    ContextFixture fixture;
    for (const char* name : {"a/x", "b/c/y", "b/d", "b/e/gone", "f", "g/h"}) fixture.file(name, name);
    fixture.scan_aged();
    std::string all = indexed(fixture);
    CHECK(all == "a a/x b b/c b/c/y b/d b/e b/e/gone f g g/h");
    fixture.want({"b/c", "b/zzz"});
    fixture.file("b/c/y", "changed");
    ScannedContext scanned = fixture.scan_aged();
    CHECK(scanned.hashed_files == 1);
    CHECK(indexed(fixture) == all);
    // Of a wanted path that is gone nothing is left; an ignored one stays.
    fixture.context.open_directory(at("b"), FollowLinks::never).remove_tree("e");
    fixture.want({"b/e/gone"});
    fixture.scan_aged();
    CHECK(indexed(fixture) == "a a/x b b/c b/c/y b/d f g g/h");
    fixture.ignore({"a", "b", "!b/nothing", "f"});
    fixture.want({""});
    CHECK(paths_of(fixture.scan_aged().tree) == "g g/h");
    CHECK(indexed(fixture) == "a a/x b b/c b/c/y b/d f g g/h");
    fixture.options.ignore = nullptr;
    CHECK(fixture.scan_aged().hashed_files == 0);
}

TEST_CASE("what became another kind of thing leaves nothing behind in the index") {
    ContextFixture fixture;
    fixture.file("a/x/y", "1");
    fixture.file("b", "2");
    fixture.scan_aged();
    fixture.context.remove_tree("a");
    fixture.context.remove_tree("b");
    fixture.file("a", "3");
    fixture.file("b/c", "4");
    ScannedContext scanned = fixture.scan_aged();
    CHECK(scanned.tree.find(at("a"))->content == Sha256::of("3"));
    CHECK(indexed(fixture) == "a b b/c");
}

TEST_CASE("a damaged index is a miss and never an error, wherever it is damaged") {
    ContextFixture fixture;
    fixture.file("a", "1");
    fixture.file("b/c", "2");
    ScannedContext good = fixture.scan_aged();
    std::string file = fixture.index_file(), bytes = bytes_of(file);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        std::string bad = bytes;
        bad[i] = static_cast<char>(bad[i] ^ 0x41);
        overwrite(file, bad);
        ScannedContext scanned = fixture.scan();
        CHECK(scanned.hashed_files == 2);
        CHECK(scanned.tree.content_id() == good.tree.content_id());
    }
    for (std::size_t size = 0; size < bytes.size(); size += 7) {
        overwrite(file, std::string_view(bytes).substr(0, size));
        CHECK(fixture.scan().hashed_files == 2);
    }
    overwrite(file, bytes + "more");
    CHECK(fixture.scan().hashed_files == 2);
    overwrite(file, bytes);
    CHECK(fixture.scan().hashed_files == 0);
}

TEST_CASE("an index with a good checksum and records of no sense is used as far as it makes sense") {
    ContextFixture fixture;
    for (const char* name : {"a", "b", "c"}) fixture.file(name, name);
    fixture.scan_aged();
    IndexName name = index_name(fixture.context);
    ContextIndex index = ContextIndex::load(fixture.indexes, name);
    ContextIndex::Cursor at(index);
    IndexWriter writer;
    writer.add("", at.record());
    at.next();
    writer.add("/a", at.record());
    writer.add("/a", at.record());  // out of order
    at.next();
    writer.add("/b", at.record());
    writer.commit(fixture.indexes, name);
    CHECK(fixture.scan().hashed_files == 2);
    CHECK(fixture.scan().hashed_files == 0);
}

TEST_CASE("an index belongs to the place of its context") {
    ContextFixture fixture;
    fixture.file("a", "1");
    ScannedContext first = fixture.scan_aged();
    fixture.context.remove_tree("a");
    ContextFixture other;
    other.file("a", "1");
    scan_context(other.context, other.options, fixture.indexes, other.pool);
    CHECK(fixture.indexes.list().size() == 2);
    // The same file under the wrong name is refused.
    IndexName name = index_name(fixture.context);
    write_file_atomically(fixture.indexes, index_name(other.context).file,
                          bytes_of(fixture.indexes.name() + "/" + name.file), Durability::none);
    CHECK(ContextIndex::load(fixture.indexes, name).count() == 2);
    CHECK(ContextIndex::load(fixture.indexes, index_name(other.context)).count() == 0);
}

TEST_CASE("two scans at once give the same tree and leave a good index") {
    ContextFixture fixture;
    for (int i = 0; i < 200; ++i)
        fixture.file("d" + std::to_string(i % 7) + "/f" + std::to_string(i), std::to_string(i));
    ContextFixture::age();
    auto content = fixture.scan().tree.content_id();
    for (int round = 0; round < 5; ++round) {
        fixture.file("d0/f0", "0");
        TaskPool two(2);
        auto one = two.submit([&] { return fixture.scan().tree.content_id(); });
        auto other = two.submit([&] { return fixture.scan().tree.content_id(); });
        CHECK(one.get() == content);
        CHECK(other.get() == content);
        CHECK(indexed(fixture).size() > 200 * 5);
    }
    CHECK(fixture.scan_aged().hashed_files <= 1);
}

TEST_CASE("a scan does without an index that it can neither read nor write") {
    ContextFixture fixture;
    fixture.file("a", "1");
    ScannedContext good = fixture.scan_aged();
    ::chmod(fixture.scratch.path().c_str(), 0755);
    ::chmod(fixture.index_file().c_str(), 0);
    ::chmod(fixture.indexes.name().c_str(), 0555);
    {
        AsNobody nobody;
        ScannedContext scanned = fixture.scan_aged();
        CHECK(scanned.hashed_files == 1);
        CHECK(scanned.tree.content_id() == good.tree.content_id());
    }
    ::chmod(fixture.indexes.name().c_str(), 0755);
}
