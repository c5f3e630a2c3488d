// SPDX-License-Identifier: Apache-2.0
#include "builder/context/context_scan.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/xattr.h>

#include <algorithm>
#include <atomic>

#include "builder/context/context_fixture.h"
#include "builder/context/detail/hash_files.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::builder::test;
using imgbuild::test::refusal;
using layerstore::EntryKind;

namespace {

std::string read(ScannedContext& scanned, std::string_view path) {
    auto entry = scanned.tree.find(at(path));
    auto reader = scanned.contents->open(entry->content, entry->size);
    return read_all(*reader, 1 << 30, path);
}

}  // namespace

TEST_CASE("the tree is what stands in the directory, owned by root, whatever its order there") {
    ContextFixture fixture;
    for (const char* name : {"z", "b/x", "b!", "a", "b/a/deep", "B", "empty"}) fixture.file(name, name);
    fixture.file("empty", "");
    ::chmod(fixture.path("z").c_str(), 04711);
    ::chmod(fixture.path("b").c_str(), 0750);
    ::chmod(fixture.context.name().c_str(), 0700);
    fixture.link("link", "nowhere/at all");
    REQUIRE(::mkfifo(fixture.path("pipe").c_str(), 0600) == 0);
    ScannedContext scanned = fixture.scan();
    CHECK(paths_of(scanned.tree) == "B a b b/a b/a/deep b/x b! empty link pipe z");
    CHECK(scanned.tree.root_entry().mode == 0755);
    CHECK(scanned.tree.find(at("b"))->mode == 0750);
    auto z = scanned.tree.find(at("z"));
    CHECK(z->mode == 04711);
    CHECK(z->size == 1);
    CHECK(z->content == Sha256::of("z"));
    CHECK((z->uid == 0 && z->gid == 0));
    CHECK(scanned.tree.find(at("link"))->link_target == "nowhere/at all");
    CHECK(scanned.tree.find(at("link"))->mode == 0777);
    CHECK(scanned.tree.find(at("pipe"))->kind == EntryKind::fifo);
    CHECK(scanned.files == 7);
    CHECK(scanned.bytes == 16);
    CHECK(scanned.hashed_files == 7);
    CHECK(scanned.hashed_bytes == 16);
    CHECK(read(scanned, "b/a/deep") == "b/a/deep");
}

TEST_CASE("an empty context is an empty tree, and a scan without wanted paths looks at nothing") {
    ContextFixture fixture;
    CHECK(paths_of(fixture.scan().tree).empty());
    fixture.file("a");
    fixture.want({});
    ScannedContext scanned = fixture.scan();
    CHECK(paths_of(scanned.tree).empty());
    CHECK(scanned.files == 0);
}

TEST_CASE("git's modes are two") {
    ContextFixture fixture;
    fixture.file("d/plain");
    fixture.file("d/tool");
    fixture.file("d/odd");
    fixture.link("d/link", "tool");
    ::chmod(fixture.path("d/plain").c_str(), 0664);
    ::chmod(fixture.path("d/tool").c_str(), 04775);
    ::chmod(fixture.path("d/odd").c_str(), 0615);
    ::chmod(fixture.path("d").c_str(), 02770);
    ScannedContext before = fixture.scan();
    fixture.options.git_modes = true;
    ScannedContext scanned = fixture.scan();
    CHECK(scanned.tree.find(at("d"))->mode == 0755);
    CHECK(scanned.tree.find(at("d/plain"))->mode == 0644);
    CHECK(scanned.tree.find(at("d/tool"))->mode == 0755);
    CHECK(scanned.tree.find(at("d/odd"))->mode == 0644);
    CHECK(scanned.tree.find(at("d/link"))->mode == 0777);
    CHECK(scanned.tree.find(at("d/plain"))->mtime == before.tree.find(at("d/plain"))->mtime);
}

TEST_CASE("ignored files are left out, and re-included ones come with their parents") {
    ContextFixture fixture;
    for (const char* name : {"a.log", "src/x.c", "src/x.o", "out/deep/keep/me", "out/deep/not", "out/other/thing", "z"})
        fixture.file(name, name);
    ::chmod(fixture.path("out/deep").c_str(), 0711);
    fixture.ignore({"*.log", "**/*.o", "out", "!out/deep/keep"});
    ScannedContext scanned = fixture.scan();
    CHECK(paths_of(scanned.tree) == "out out/deep out/deep/keep out/deep/keep/me src src/x.c z");
    CHECK(scanned.tree.find(at("out/deep"))->mode == 0711);
    CHECK(scanned.files == 3);
    fixture.ignore({"*", "!nothing/here"});
    CHECK(paths_of(fixture.scan().tree).empty());
}

TEST_CASE("what is wanted and cannot be read is denied by name, what is ignored is not looked at") {
    ContextFixture fixture;
    fixture.file("ok");
    fixture.file("d/secret");
    fixture.file("closed/inside");
    ::chmod(fixture.scratch.path().c_str(), 0755);
    ::chmod(fixture.context.name().c_str(), 0755);
    ::chmod(fixture.path("d/secret").c_str(), 0);
    ::chmod(fixture.path("closed").c_str(), 0);
    {
        AsNobody nobody;
        CHECK(refusal([&] { fixture.scan(); }) == "denied: context: closed: Permission denied");
        fixture.ignore({"closed"});
        CHECK(refusal([&] { fixture.scan(); }) == "denied: context: d/secret: Permission denied");
        // An exception could match inside, so the folder is tried.
        fixture.ignore({"closed", "!closed/inside", "d/secret"});
        CHECK(paths_of(fixture.scan().tree) == "d ok");
        fixture.options.ignore = nullptr;
        fixture.want({"ok"});
        CHECK(paths_of(fixture.scan().tree) == "ok");
    }
    ::chmod(fixture.path("closed").c_str(), 0755);
}

TEST_CASE("only what is wanted is scanned, with the directories that lead to it") {
    ContextFixture fixture;
    for (const char* name : {"a", "src/lib/x", "src/lib/y", "src/main", "src/other", "srcs", "web/i"})
        fixture.file(name, name);
    fixture.want({"/src/lib", "src/main", "missing/thing", "a/below/a/file", "srcs"});
    ScannedContext scanned = fixture.scan();
    CHECK(paths_of(scanned.tree) == "a src src/lib src/lib/x src/lib/y src/main srcs");
    fixture.ignore({"src/lib/y", "srcs"});
    CHECK(paths_of(fixture.scan().tree) == "a src src/lib src/lib/x src/main");
}

TEST_CASE("links on the way to a wanted path, at it and directly inside it bring their targets") {
    ContextFixture fixture;
    for (const char* name : {"real/lib/one", "real/lib/two", "real/rest", "aim/file", "top", "deep/hidden"})
        fixture.file(name, name);
    fixture.link("way", "/real");
    fixture.link("chain", "../../way/./lib/one");
    fixture.link("inside/to_dir", "../aim");
    fixture.link("inside/to_top", "../top");
    fixture.link("inside/dangling", "../nothing");
    fixture.link("inside/sub/nested", "../../deep");
    fixture.want({"way/lib"});
    CHECK(paths_of(fixture.scan().tree) == "real real/lib real/lib/one real/lib/two way");
    fixture.want({"chain"});
    CHECK(paths_of(fixture.scan().tree) == "chain real real/lib real/lib/one way");
    fixture.want({"inside"});
    CHECK(paths_of(fixture.scan().tree) ==
          "aim aim/file inside inside/dangling inside/sub inside/sub/nested inside/to_dir inside/to_top top");
    fixture.ignore({"inside/to_dir"});
    CHECK(paths_of(fixture.scan().tree) == "inside inside/dangling inside/sub inside/sub/nested inside/to_top top");
}

TEST_CASE("links that go round or to the root end") {
    ContextFixture fixture;
    fixture.file("f");
    fixture.link("a", "b");
    fixture.link("b", "a");
    fixture.link("up", "../../..");
    fixture.want({"a/x"});
    CHECK(paths_of(fixture.scan().tree) == "a b");
    fixture.want({"up"});
    CHECK(paths_of(fixture.scan().tree) == "a b f up");
    fixture.link("d/long", std::string(300, 'n'));
    fixture.want({"d"});
    CHECK(paths_of(fixture.scan().tree) == "d d/long");
}

TEST_CASE("no link leads out of the context") {
    ContextFixture fixture;
    ContextFixture outside;
    outside.file("secret", "host");
    fixture.file("f");
    fixture.link("out", outside.context.name());
    fixture.link("file", outside.path("secret"));
    fixture.want({"out/secret", "file"});
    ScannedContext scanned = fixture.scan();
    CHECK(paths_of(scanned.tree) == "file out");
    CHECK(scanned.files == 0);
    fixture.want({""});
    scanned = fixture.scan();
    CHECK(paths_of(scanned.tree) == "f file out");
    CHECK_FALSE(scanned.contents->open(Sha256::of("host"), 4));
}

TEST_CASE("a file replaced by a link after it was found is not read through the link") {
    ContextFixture fixture;
    fixture.file("d/f", "inside");
    ScannedContext scanned = fixture.scan();
    auto entry = scanned.tree.find(at("d/f"));
    fixture.file("other/f", "inside");
    fixture.context.remove_tree("d");
    fixture.link("d", "other");
    CHECK(refusal([&] { scanned.contents->open(entry->content, entry->size); }) ==
          "invalid_input: context: d/f: changed while the build was reading it");
}

TEST_CASE("names of one file are one set, as far as they are scanned") {
    ContextFixture fixture;
    fixture.file("a/one", "same");
    fixture.file("single");
    fixture.folder("b");
    for (const char* name : {"b/two", "a/three"})
        REQUIRE(::link(fixture.path("a/one").c_str(), fixture.path(name).c_str()) == 0);
    fixture.want({"a"});
    ScannedContext scanned = fixture.scan();
    REQUIRE(scanned.tree.links().size() == 1);
    CHECK(scanned.tree.links()[0] == layerstore::LinkGroup{at("a/one"), at("a/three")});
    ContextFixture::age();
    fixture.want({""});
    scanned = fixture.scan_aged();
    REQUIRE(scanned.tree.links().size() == 1);
    CHECK(scanned.tree.links()[0] == layerstore::LinkGroup{at("a/one"), at("a/three"), at("b/two")});
    CHECK(*scanned.tree.find(at("a/one")) == *scanned.tree.find(at("b/two")));
    CHECK(scanned.files == 2);
    CHECK(fixture.scan_aged().tree == scanned.tree);
    fixture.want({"b"});
    CHECK(fixture.scan().tree.links().empty());
}

TEST_CASE("sockets are empty files with their mode") {
    ContextFixture fixture;
    fixture.socket("sock");
    ::chmod(fixture.path("sock").c_str(), 0640);
    for (int i = 0; i < 2; ++i) {
        ScannedContext scanned = fixture.scan_aged();
        auto entry = scanned.tree.find(at("sock"));
        CHECK(entry->kind == EntryKind::file);
        CHECK(entry->mode == 0640);
        CHECK(entry->size == 0);
        CHECK(entry->content == Sha256::of(""));
        CHECK(scanned.hashed_files == 0);
    }
}

TEST_CASE("attributes that images keep are kept, from the index too") {
    ContextFixture fixture;
    fixture.file("d/f");
    std::string file = fixture.path("d/f"), directory = fixture.path("d");
    if (::setxattr(file.c_str(), "user.note", "x\0y", 3, 0) != 0) {
        MESSAGE("skipped: this file system keeps no attributes");
        return;
    }
    REQUIRE(::setxattr(file.c_str(), "user.overlay.origin", "o", 1, 0) == 0);
    REQUIRE(::setxattr(directory.c_str(), "user.folder", "f", 1, 0) == 0);
    for (int i = 0; i < 3; ++i) {
        ScannedContext scanned = fixture.scan_aged();
        CHECK(scanned.hashed_files == (i == 0 ? 1 : 0));
        REQUIRE(scanned.tree.find(at("d/f"))->xattrs);
        CHECK(*scanned.tree.find(at("d/f"))->xattrs == layerstore::Xattrs{{"user.note", std::string("x\0y", 3)}});
        CHECK(*scanned.tree.find(at("d"))->xattrs == layerstore::Xattrs{{"user.folder", "f"}});
    }
    REQUIRE(::setxattr(file.c_str(), "user.note", "new", 3, 0) == 0);
    ScannedContext scanned = fixture.scan_aged();
    CHECK(scanned.tree.find(at("d/f"))->xattrs->at(0).second == "new");
}

TEST_CASE("any name that a file can have is scanned and found again") {
    ContextFixture fixture;
    std::string odd = "line\nbreak \xff\xfe\x1b[31m";
    fixture.file(odd, "odd");
    fixture.file(std::string(255, 'n') + "/" + std::string(255, 'm'), "long");
    ScannedContext first = fixture.scan_aged();
    CHECK(first.tree.find(at(odd))->content == Sha256::of("odd"));
    CHECK(read(first, odd) == "odd");
    ScannedContext second = fixture.scan_aged();
    CHECK(second.hashed_files == 0);
    CHECK(second.tree == first.tree);
    fixture.file(odd, "new");
    CHECK(refusal([&] { read(first, odd); }) ==
          "invalid_input: context: line\\nbreak \\xff\\xfe\\x1b[31m: changed while the build was reading it");
}

TEST_CASE("a context deeper than a process has descriptors is scanned, one with too long a path is refused") {
    ContextFixture fixture;
    std::string deep, deeper;
    for (int i = 0; i < 300; ++i) deep += "d/";
    fixture.file(deep + "f", "deep");
    fixture.file("a/z/f");
    fixture.file("e");
    ScannedContext scanned = fixture.scan_aged();
    CHECK(scanned.tree.count_entries() == 300 + 1 + 3 + 1);
    CHECK(read(scanned, deep + "f") == "deep");
    CHECK(fixture.scan_aged().hashed_files == 0);
    Directory here = fixture.context.duplicate();
    for (int i = 0; i < 17; ++i) {
        std::string name(250, 'p');
        REQUIRE(::mkdirat(here.fd(), name.c_str(), 0755) == 0);
        here = here.open_directory(ImagePath().child(name), FollowLinks::never);
    }
    CHECK(refusal([&] { fixture.scan(); }).ends_with("the path is longer than 4096 bytes"));
    fixture.ignore({"ppp*"});
    CHECK(fixture.scan().tree == scanned.tree);
}

TEST_CASE("a file that no layer could hold is refused by name before it is hashed, unless it is ignored") {
    ContextFixture fixture;
    fixture.file("small");
    fixture.file("holes", "");
    REQUIRE(::truncate(fixture.path("holes").c_str(), off_t{1} << 40) == 0);
    CHECK(refusal([&] { fixture.scan(); }) ==
          "invalid_input: context: holes: a file of 1.0 TiB, and a layer holds less than 1.0 TiB");
    fixture.ignore({"holes"});
    CHECK(fixture.scan().files == 1);
}

TEST_CASE("contents are verified to their last byte") {
    ContextFixture fixture;
    fixture.file("f", std::string(300'000, 'x'));
    fixture.file("gone", "gone");
    ScannedContext scanned = fixture.scan();
    CHECK(read(scanned, "f").size() == 300'000);
    CHECK_FALSE(scanned.contents->open(Sha256::of("elsewhere"), 9));
    std::string changed = std::string(299'999, 'x') + "y";
    const char* message = "invalid_input: context: f: changed while the build was reading it";
    for (const std::string& bytes : {changed, std::string("short"), std::string(300'001, 'x')}) {
        fixture.file("f", bytes);
        CHECK(refusal([&] { read(scanned, "f"); }) == message);
    }
    fixture.context.remove_tree("gone");
    CHECK(refusal([&] { read(scanned, "gone"); }) ==
          "invalid_input: context: gone: changed while the build was reading it");
}

TEST_CASE("a file that is not the one that was found is not hashed") {
    ContextFixture fixture;
    fixture.file("f", "first");
    struct stat status {};
    REQUIRE(::stat(fixture.path("f").c_str(), &status) == 0);
    std::vector<std::byte> block(4096);
    IndexRecord record;
    record.identity = identity_of(status);
    hash_file(fixture.context, "/f", record, block);
    CHECK(record.content == Sha256::of("first"));
    ContextFixture::age();
    fixture.file("f", "other");
    const char* message = "invalid_input: context: f: changed while the build was reading it";
    CHECK(refusal([&] { hash_file(fixture.context, "/f", record, block); }) == message);
    fixture.context.remove_tree("f");
    CHECK(refusal([&] { hash_file(fixture.context, "/f", record, block); }) == message);
    fixture.link("f", "g");
    CHECK(refusal([&] { hash_file(fixture.context, "/f", record, block); }) == message);
}

TEST_CASE("a file that is written while it is read fails the scan by name") {
    ContextFixture fixture;
    fixture.file("big", std::string(32 << 20, 'b'));
    fixture.file("z");
    std::atomic<bool> stop{false}, started{false};
    std::thread writer([&] {
        Fd fd(::open(fixture.path("big").c_str(), O_WRONLY | O_CLOEXEC));
        for (unsigned i = 0; !stop; ++i) {
            std::string byte(1, static_cast<char>(i));
            if (::pwrite(fd.get(), byte.data(), 1, 1000) != 1) return;
            started = true;
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
    });
    while (!started) std::this_thread::yield();
    std::string message = refusal([&] { fixture.scan(); });
    stop = true;
    writer.join();
    CHECK(message == "invalid_input: context: big: changed while the build was reading it");
}

TEST_CASE("a scan may run on the pool that it hashes on") {
    ContextFixture fixture;
    for (int i = 0; i < 20; ++i) fixture.file("f" + std::to_string(i), std::to_string(i));
    TaskPool one(1);
    auto scanned = one.submit([&] { return scan_context(fixture.context, fixture.options, fixture.indexes, one); });
    CHECK(scanned.get().hashed_files == 20);
}

TEST_CASE("a large context is the same by however many threads it is looked at") {
    ContextFixture fixture;
    for (int i = 0; i < 700; ++i)
        fixture.file(fmt::format("d{:02}/{}/f{}", i % 40, i % 40 < 20 ? "s" : ".", i), std::to_string(i));
    fixture.folder("d05/empty");
    fixture.link("d06/link", "../d07/s");
    fixture.ignore({"d1?", "!d15/s/*5", "d20/f*"});
    const ScannedContext first = fixture.scan_aged();
    CHECK(first.files > 400);
    CHECK(first.files < 700);
    const ScannedContext again = fixture.scan_aged();
    CHECK(again.hashed_files == 0);
    CHECK(again.tree == first.tree);
    TaskPool one(1);
    const auto alone = [&] { return scan_context(fixture.context, fixture.options, fixture.indexes, one); };
    CHECK(alone().tree == first.tree);
    CHECK(one.submit(alone).get().tree == first.tree);

    fixture.file("d03/s/f3", "changed");
    fixture.file("d33/new", "new");
    REQUIRE(::unlink(fixture.path("d34/f34").c_str()) == 0);
    const ScannedContext changed = fixture.scan_aged();
    CHECK(changed.hashed_files == 2);
    CHECK(changed.files == first.files);
    CHECK(changed.tree.find(at("/d33/new")));
    CHECK_FALSE(changed.tree.find(at("/d34/f34")));
}

TEST_CASE("an unreadable directory of a large context is named, however it was looked at") {
    ContextFixture fixture;
    for (int i = 0; i < 600; ++i) fixture.file(fmt::format("d{:02}/f{}", i % 30, i));
    fixture.scan_aged();
    ::chmod(fixture.scratch.path().c_str(), 0755);
    ::chmod(fixture.context.name().c_str(), 0755);
    ::chmod(fixture.path("d17").c_str(), 0);
    {
        const AsNobody nobody;
        CHECK(refusal([&] { fixture.scan(); }) == "denied: context: d17: Permission denied");
    }
    ::chmod(fixture.path("d17").c_str(), 0755);
}
