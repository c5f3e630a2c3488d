// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "builder/edit/edit_fixture.h"
#include "layerstore/tree/random_trees.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::builder::test;

namespace {

void keep_parents(EditFixture& fixture, std::string pivot, std::string pattern) {
    std::string written = pivot.empty() ? pattern : pivot + "/./" + pattern;
    fixture.copy.parents = true;
    fixture.copy.sources = {{0, std::move(pattern), std::move(pivot), written, false}};
    fixture.copy.destination = at("/o");
    fixture.copy.into_directory = true;
}

std::string parents(EditFixture& fixture, std::string pivot, std::string pattern) {
    keep_parents(fixture, std::move(pivot), std::move(pattern));
    return fixture.result();
}

}  // namespace

TEST_CASE("a missing source is named, with what the caller knows of it") {
    EditFixture fixture;
    fixture.source.file("f").link("gone", "nowhere");
    fixture.from_to({"a.txt"}, "/o").copy.sources[0].written = "./a.txt";
    CHECK(fixture.refusal() == "not_found: source ./a.txt: no such file or directory");
    fixture.explains = true;
    try {
        fixture.run();
        FAIL("accepted");
    } catch (const Error& error) {
        CHECK(error.hint() == "about ./a.txt");
    }
    CHECK(fixture.from_to({"f/x"}, "/o").refusal() == "not_found: source f/x: no such file or directory");
    CHECK(fixture.from_to({"gone"}, "/o").refusal() == "not_found: source gone: no such file or directory");
    CHECK(fixture.from_to({"g*"}, "/o").refusal() == "not_found: source gone is a link to nowhere, where nothing is");
}

TEST_CASE("links named as sources are followed, those in directories are kept") {
    EditFixture fixture;
    fixture.source.file("d/f", "x", 0600).link("l", "d/f").link("dir", "/d").link("d/in", "f").link("up", "../../d");
    CHECK(fixture.from_to({"l"}, "/o/").result() == "o/ o/l=x[0600]");
    CHECK(fixture.from_to({"dir"}, "/o/").result() == "o/ o/f=x[0600] o/in>f");
    CHECK(fixture.from_to({"up/in"}, "/o/").result() == "o/ o/in=x[0600]");
    CHECK(fixture.from_to({"l*"}, "/o/").result() == "o/ o/l=x[0600]");
    CHECK(fixture.from_to({"di*"}, "/o/").result() == "o/ o/f=x[0600] o/in>f");
    CHECK(fixture.from_to({"up/i*"}, "/o/").result() == "o/ o/in=x[0600]");
    CHECK(fixture.from_to({"d/*"}, "/o/").result() == "o/ o/f=x[0600] o/in=x[0600]");
}

TEST_CASE("wildcards match within a component, and take a directory as a unit") {
    EditFixture fixture;
    fixture.source.file("a.c", "1").file("b.c", "2").file(".h.c", "3").file("s/a.c", "4").file("s/t/b.c", "5");
    fixture.source.file("t/x.c", "6").file("x[1]", "7");
    CHECK(fixture.from_to({"*.c"}, "/o/").result() == "o/ o/.h.c=3 o/a.c=1 o/b.c=2");
    CHECK(fixture.from_to({"[^a].c"}, "/o/").result() == "o/ o/b.c=2");
    CHECK(fixture.from_to({"?.c"}, "/o/").result() == "o/ o/a.c=1 o/b.c=2");
    CHECK(fixture.from_to({"s/*"}, "/o/").result() == "o/ o/a.c=4 o/b.c=5");
    CHECK(fixture.from_to({"?/*.c"}, "/o/").result() == "o/ o/a.c=4 o/x.c=6");
    CHECK(fixture.from_to({"**/a.c"}, "/o/").result() == "o/ o/a.c=4");
    CHECK(fixture.from_to({"[st]"}, "/o/").result() == "o/ o/a.c=4 o/t/ o/t/b.c=5 o/x.c=6");
    CHECK(fixture.from_to({"x[[]1]"}, "/o/").result() == "o/ o/x[1]=7");
    CHECK(fixture.from_to({"x\\[?]"}, "/o/").result() == "o/ o/x[1]=7");
    CHECK(fixture.from_to({"*.c"}, "/o").result() == "o=2");
}

TEST_CASE("a wildcard without a match copies nothing, a malformed one is refused") {
    EditFixture fixture;
    fixture.source.file("a.c");
    CHECK(fixture.from_to({"*.h"}, "/o/").result() == "");
    CHECK(fixture.from_to({"no/*.h"}, "/o/").result() == "");
    CHECK(fixture.from_to({"a.c/*"}, "/o/").result() == "");
    CHECK(fixture.from_to({"[a"}, "/o/").refusal() ==
          "usage: syntax error in source pattern [a: a character class does not end");
}

TEST_CASE("without wildcards a source is taken as it is written, and so is the file of a URL") {
    EditFixture fixture;
    fixture.source.file("a\\b", "1").file("x[1]*", "2").file("x1", "3");
    CHECK(fixture.from_to({"a\\b"}, "/o/").result() == "o/ o/a\\b=1");
    fixture.from_to({"x[1]*"}, "/o/").copy.sources[0].written = "https://host/x%5B1%5D%2A";
    CHECK(fixture.result() == "o/ o/x[1]*=2");
}

TEST_CASE("excludes hold below each source directory, and the last that matches decides") {
    EditFixture fixture;
    fixture.source.file("d/a.o").file("d/a.c").folder("d/s", 0700).file("d/s/b.o").file("d/s/keep/c.o");
    fixture.source.file("d/s/keep/d.c").file("a.o").folder("e");
    fixture.copy.excludes = {"*.o"};
    CHECK(fixture.from_to({"d"}, "/o").result() == "o/ o/a.c o/s/[0700] o/s/b.o o/s/keep/ o/s/keep/c.o o/s/keep/d.c");
    // What is named itself is not below itself.
    CHECK(fixture.from_to({"a.o"}, "/o/").result() == "o/ o/a.o");
    fixture.copy.excludes = {"**/*.o", "!s/keep"};
    CHECK(fixture.from_to({"d"}, "/o").result() == "o/ o/a.c o/s/[0700] o/s/keep/ o/s/keep/c.o o/s/keep/d.c");
    fixture.copy.excludes = {"s", "!s/keep/*.o"};
    CHECK(fixture.from_to({"d"}, "/o").result() == "o/ o/a.c o/a.o o/s/[0700] o/s/keep/ o/s/keep/c.o");
    fixture.copy.excludes = {"s", "!s/none"};
    CHECK(fixture.from_to({"d"}, "/o").result() == "o/ o/a.c o/a.o");
    fixture.copy.excludes = {"*"};
    CHECK(fixture.from_to({"d"}, "/o").result() == "o/");
    fixture.copy.excludes = {"["};
    CHECK(fixture.refusal().starts_with("usage: --exclude: "));
}

TEST_CASE("--parents keeps the path of the source, with its directories as they are there") {
    EditFixture fixture;
    fixture.source.folder("x", 0700, {1, 1}).file("x/a/f", "1").file("x/b", "2").folder("y/z").file("y/z/g", "3");
    fixture.source.link("l", "x");
    CHECK(parents(fixture, "", "x/a") == "o/ o/x/[0700][1:1] o/x/a/ o/x/a/f=1");
    CHECK(parents(fixture, "", "x/b") == "o/ o/x/[0700][1:1] o/x/b=2");
    CHECK(parents(fixture, "", "*/z") == "o/ o/y/ o/y/z/ o/y/z/g=3");
    CHECK(parents(fixture, "", "**/f") == "o/ o/x/[0700][1:1] o/x/a/ o/x/a/f=1");
    CHECK(parents(fixture, "", "l") == "o/ o/l>x");
    CHECK(parents(fixture, "", "**/none") == "o/");
    CHECK(parents(fixture, "", "") == "o/ o/l>x o/x/[0700][1:1] o/x/a/ o/x/a/f=1 o/x/b=2 o/y/ o/y/z/ o/y/z/g=3");
    fixture.root.folder("o/x", 0711);
    CHECK(parents(fixture, "", "x/b") == "o/x/[0700][1:1] o/x/b=2");
    keep_parents(fixture, "", "l/a");
    CHECK(fixture.refusal() == "not_found: source l/a: no such file or directory");
}

TEST_CASE("with --parents the part before the pivot is dropped") {
    EditFixture fixture;
    fixture.source.file("x/a/f", "1").file("x/b/f", "2").file("x\\y/c\\d", "3").file("file").link("l", "x");
    CHECK(parents(fixture, "x", "a/f") == "o/ o/a/ o/a/f=1");
    CHECK(parents(fixture, "l", "a") == "o/ o/a/ o/a/f=1");
    CHECK(parents(fixture, "x", "*/f") == "o/ o/a/ o/a/f=1 o/b/ o/b/f=2");
    CHECK(parents(fixture, "x/*", "f") == "o/ o/f=2");
    CHECK(parents(fixture, "x", "") == "o/ o/a/ o/a/f=1 o/b/ o/b/f=2");
    CHECK(parents(fixture, "x\\y", "c\\d") == "o/ o/c\\d=3");
    CHECK(parents(fixture, "none", "*") == "o/");
    CHECK(parents(fixture, "f*", "*") == "o/");
    for (auto [pivot, pattern] : {std::pair{"x", "none"}, {"none", "f"}, {"file", "f"}, {"file", ""}}) {
        keep_parents(fixture, pivot, pattern);
        CHECK(fixture.refusal() ==
              std::string("not_found: source ") + pivot + "/./" + pattern + ": no such file or directory");
    }
    keep_parents(fixture, "x", "[");
    CHECK(fixture.refusal().starts_with("usage: syntax error in source pattern x/./[: "));
    fixture.copy.excludes = {"a"};
    CHECK(parents(fixture, "x", "*/f") == "o/ o/b/ o/b/f=2");
}

TEST_CASE("an archive is unpacked below the destination, over what stands there") {
    EditFixture fixture;
    fixture.unpacks = true;
    fixture.source.file("x.tar", "tar").file("plain", "x").link("l.tar", "x.tar").folder("d.tar");
    fixture.archive.folder("", 0700, {9, 9}).file("etc/conf", "new", 0600, {1, 2}).folder("var/", 01777, {3, 4});
    fixture.archive.link("l", "etc/conf").file("a", "z").file("b/c", "z").same({"a", "b/c"});
    fixture.root.file("etc/conf", "old").folder("var", 0700).file("var/kept").link("l", "elsewhere");
    CHECK(fixture.from_to({"x.tar"}, "/").result() ==
          "a=z b/ b/c=z etc/conf=new[0600][1:2] l>etc/conf var/[1777][3:4] same:/a/b/c");
    CHECK(fixture.from_to({"plain"}, "/o").result() == "o=x");
    CHECK(fixture.asked == std::vector<std::string>{"x.tar", "plain"});
    fixture.copy.chown = "5";
    fixture.copy.chmod = "777";
    CHECK(fixture.from_to({"l.t*"}, "/new").result() ==
          "new/[5:5] new/a=z[5:5] new/b/[5:5] new/b/c=z[5:5] new/etc/[5:5] new/etc/conf=new[0600][5:5] "
          "new/l>etc/conf[5:5] new/var/[1777][5:5] same:/new/a/new/b/c");
    CHECK(fixture.from_to({"plain"}, "/o").result() == "o=x[0777][5:5]");
    // A directory is never asked for its archive.
    fixture.asked.clear();
    CHECK(fixture.from_to({"d.tar"}, "/").result() == "");
    fixture.unpacks = false;
    CHECK(fixture.from_to({"x.tar"}, "/etc/").result() == "etc/x.tar=tar[0777][5:5]");
    CHECK(fixture.asked.empty());
}

TEST_CASE("of the sources of one ADD only those are unpacked that are to be") {
    EditFixture fixture;
    fixture.source.file("x.tar", "tar").file("y.tar", "kept");
    fixture.archive.file("a", "z");
    fixture.from_to({"x.tar", "y.tar"}, "/o/");
    fixture.copy.sources.front().unpack = true;
    CHECK(fixture.result() == "o/ o/a=z o/y.tar=kept");
    CHECK(fixture.asked == std::vector<std::string>{"x.tar"});
}

TEST_CASE("an archive goes through links of the root to directories") {
    EditFixture fixture;
    fixture.unpacks = true;
    fixture.source.file("x.tar");
    fixture.archive.folder("bin", 0700).file("bin/tool", "x").file("lib/deep/f", "y").folder("gone");
    fixture.root.folder("usr/bin", 0711).link("bin", "usr/bin").link("lib", "/usr/lib").link("gone", "no/where");
    CHECK(fixture.from_to({"x.tar"}, "/").result() ==
          "no/ no/where/ usr/bin/tool=x usr/lib/ usr/lib/deep/ usr/lib/deep/f=y");
    fixture.root.file("q/lib");
    CHECK(fixture.from_to({"x.tar"}, "/q").refusal() == "usage: cannot replace file /q/lib with a directory");
    fixture.root.folder("r/bin/tool");
    CHECK(fixture.from_to({"x.tar"}, "/r").refusal() == "usage: cannot replace directory /r/bin/tool with a file");
}

TEST_CASE("a directory that an archive lists replaces a file, of which other names stay") {
    EditFixture fixture;
    fixture.unpacks = true;
    fixture.source.file("x.tar");
    fixture.archive.folder("d", 0700).file("d/f", "x");
    fixture.root.file("d", "old").file("other", "old").same({"d", "other"});
    EditInputs inputs = fixture.inputs();
    const auto result = layerstore::apply(inputs.root, transfer_files(fixture.from_to({"x.tar"}, "/").copy, inputs));
    CHECK(result.find(at("d"))->is_directory());
    CHECK(result.find(at("d/f"))->is_file());
    CHECK(result.find(at("other"))->is_file());
    CHECK(result.links().empty());
}

TEST_CASE("many files come to where they belong") {
    EditFixture fixture;
    constexpr int directories = 100;
    constexpr int files = 100;
    for (int i = 0; i < directories; ++i)
        for (int j = 0; j < files; ++j) fixture.source.file(fmt::format("d/{}/{}", i, j), std::to_string(j % 7));
    fixture.root.file("o/5/5", "old").folder("o/7", 0700);
    EditInputs inputs = fixture.inputs();
    auto result = layerstore::apply(inputs.root, transfer_files(fixture.from_to({"d"}, "/o").copy, inputs));
    CHECK(result.directory(at("o"))->id() == inputs.sources[0].directory(at("d"))->id());
    result = layerstore::apply(inputs.root, transfer_files(fixture.from_to({"d/*/*"}, "/all/").copy, inputs));
    CHECK(result.directory(at("all"))->id() == inputs.sources[0].directory(at("d/99"))->id());
}

TEST_CASE("a copied tree is the tree, with its links, on whatever it may be put") {
    EditFixture fixture;
    fixture.from_to({""}, "/");
    int copied = 0;
    layerstore::test::for_each_seed(300, [&](layerstore::test::RandomTrees& random) {
        EditInputs inputs = fixture.inputs();
        inputs.sources = {random.tree()};
        auto whole = layerstore::as_delta(inputs.sources[0]);
        std::vector<layerstore::Change> changes;
        for (const layerstore::Change& change : whole.changes())
            if (!change.path.is_root()) changes.push_back(change);
        auto expected = layerstore::TreeDelta::build(changes, {whole.links().begin(), whole.links().end()});
        CHECK(transfer_files(fixture.copy, inputs) == expected);
        inputs.root = random.tree();
        // Where kinds differ it may be refused, and must not do anything else.
        layerstore::TreeDelta delta;
        std::string outcome = imgbuild::test::refusal([&] { delta = transfer_files(fixture.copy, inputs); });
        if (outcome == "accepted") {
            CHECK(delta == expected);
            ++copied;
            return;
        }
        CHECK(outcome.starts_with("usage: cannot replace "));
    });
    CHECK(copied > 20);
}
