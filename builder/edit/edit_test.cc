// SPDX-License-Identifier: Apache-2.0
#include "builder/edit/edit.h"

#include <doctest/doctest.h>

#include "builder/edit/edit_fixture.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::builder::test;
using layerstore::default_file_time;

TEST_CASE("a file goes to the name given, or into a directory that stands or is meant") {
    EditFixture fixture;
    fixture.source.file("d/f", "bytes", 04711, {5, 6});
    fixture.root.folder("there", 0700);
    CHECK(fixture.from_to({"d/f"}, "/name").result() == "name=bytes[4711][5:6]");
    CHECK(fixture.from_to({"d/f"}, "/there").result() == "there/f=bytes[4711][5:6]");
    CHECK(fixture.from_to({"d/f"}, "/").result() == "f=bytes[4711][5:6]");
    CHECK(fixture.from_to({"d/f"}, "/new/").result() == "new/ new/f=bytes[4711][5:6]");
    CHECK(fixture.from_to({"d/f"}, "/a/b/c").result() == "a/ a/b/ a/b/c=bytes[4711][5:6]");
    // "." is the working directory, which the planner has put in its place.
    fixture.from_to({"d/f"}, "/work").copy.into_directory = true;
    CHECK(fixture.result() == "work/ work/f=bytes[4711][5:6]");
}

TEST_CASE("times are the source's, those of made directories the constant") {
    EditFixture fixture;
    fixture.source.file("d/f").folder("d/e");
    auto delta = fixture.from_to({"d"}, "/new/dir").run();
    CHECK(fixture.text(delta) == "new/ new/dir/ new/dir/e/ new/dir/f");
    CHECK(delta.find(at("new"))->entry.mtime == default_file_time);
    CHECK(delta.find(at("new/dir"))->entry.mtime == default_file_time);
    CHECK(delta.find(at("new/dir/e"))->entry.mtime == source_time);
    CHECK(delta.find(at("new/dir/f"))->entry.mtime == source_time);
}

TEST_CASE("of a directory the content is copied, over what stands there") {
    EditFixture fixture;
    fixture.source.folder("d", 0700, {9, 9}).file("d/f", "new").folder("d/sub", 0711, {1, 2}).link("d/l", "../f");
    fixture.root.folder("out", 0750)
        .file("out/f", "old")
        .folder("out/sub", 0700)
        .file("out/sub/kept")
        .link("out/l", "f");
    CHECK(fixture.from_to({"d"}, "/out").result() == "out/f=new out/l>../f out/sub/[0711][1:2]");
    CHECK(layerstore::apply(fixture.inputs().root, fixture.run()).find(at("out/sub/kept")));
    CHECK(fixture.from_to({"d"}, "/other").result() == "other/ other/f=new other/l>../f other/sub/[0711][1:2]");
    CHECK(fixture.from_to({"d"}, "/").result() == "f=new l>../f sub/[0711][1:2]");
    // The root of the source is a directory like any other.
    CHECK(fixture.from_to({""}, "/all/").result() ==
          "all/ all/d/[0700][9:9] all/d/f=new all/d/l>../f all/d/sub/[0711][1:2]");
}

TEST_CASE("what is named is put, also where it stands already") {
    EditFixture fixture;
    fixture.source.folder("d/sub").file("d/sub/f", "x");
    fixture.root.folder("o/sub").file("o/sub/f", "x");
    CHECK(fixture.from_to({"d"}, "/o").result() == "o/sub/ o/sub/f=x");
}

TEST_CASE("links on the way to the destination are followed inside the root, dangling ones too") {
    EditFixture fixture;
    fixture.source.file("f", "x").file("d/g");
    fixture.root.folder("usr/bin").link("bin", "usr/bin").link("up", "../../../usr").link("gone", "/no/where");
    fixture.root.link("file", "usr/old").file("usr/old");
    CHECK(fixture.from_to({"f"}, "/bin/tool").result() == "usr/bin/tool=x");
    CHECK(fixture.from_to({"f"}, "/bin").result() == "usr/bin/f=x");
    CHECK(fixture.from_to({"d"}, "/up/bin").result() == "usr/bin/g");
    CHECK(fixture.from_to({"f"}, "/gone").result() == "no/ no/where=x");
    CHECK(fixture.from_to({"f"}, "/gone/").result() == "no/ no/where/ no/where/f=x");
    CHECK(fixture.from_to({"f"}, "/file").result() == "usr/old=x");
    fixture.root.link("loop", "loop");
    CHECK(fixture.from_to({"f"}, "/loop/x").refusal() == "usage: path: /loop/x: too many levels of symbolic links");
}

TEST_CASE("a link that stands below the destination is replaced by a file, and refused for a directory") {
    EditFixture fixture;
    fixture.source.file("d/l", "x");
    fixture.root.link("out/l", "/elsewhere").link("out/sub", "/elsewhere").folder("elsewhere");
    CHECK(fixture.from_to({"d"}, "/out").result() == "out/l=x");
    CHECK(fixture.from_to({"d/l"}, "/out/").result() == "out/l=x");
    fixture.source.folder("d/sub");
    CHECK(fixture.from_to({"d"}, "/out").refusal() == "usage: cannot replace symbolic link /out/sub with a directory");
}

TEST_CASE("files and directories do not replace each other") {
    EditFixture fixture;
    fixture.source.file("d/x").file("f").folder("e/y");
    fixture.root.folder("out/x").file("out/y").file("file");
    CHECK(fixture.from_to({"d"}, "/out").refusal() == "usage: cannot replace directory /out/x with a file");
    CHECK(fixture.from_to({"e"}, "/out").refusal() == "usage: cannot replace file /out/y with a directory");
    CHECK(fixture.from_to({"d"}, "/file").refusal() == "usage: cannot replace file /file with a directory");
    CHECK(fixture.from_to({"f"}, "/file/").refusal() == "usage: cannot replace file /file with a directory");
    CHECK(fixture.from_to({"f"}, "/file/below").refusal() == "usage: cannot replace file /file with a directory");
}

TEST_CASE("a later source sees what the earlier ones put") {
    EditFixture fixture;
    fixture.source.file("a", "1").file("b", "2").file("d/a", "3").folder("e/a");
    CHECK(fixture.from_to({"a", "b"}, "/x").result() == "x=2");
    CHECK(fixture.from_to({"a", "d"}, "/x/").result() == "x/ x/a=3");
    CHECK(fixture.from_to({"d", "a"}, "/x").result() == "x/ x/a=1");
    CHECK(fixture.from_to({"a", "d"}, "/x").refusal() == "usage: cannot replace file /x with a directory");
    CHECK(fixture.from_to({"e", "a"}, "/x/").refusal() == "usage: cannot replace directory /x/a with a file");
}

TEST_CASE("--chown is for everything that is made") {
    EditFixture fixture;
    fixture.accounts.passwd = "app:x:7:8::/:";
    fixture.source.folder("d/sub", 0755, {1, 1}).file("d/f", "", 04755).link("d/l", "f", {3, 3});
    fixture.root.folder("there");
    fixture.copy.chown = "app";
    CHECK(fixture.from_to({"d"}, "/there/new").result() ==
          "there/new/[7:8] there/new/f[4755][7:8] there/new/l>f[7:8] there/new/sub/[7:8]");
    fixture.copy.chown = "root";
    CHECK(fixture.from_to({"d"}, "/there").result() == "there/f[4755] there/l>f there/sub/");
    fixture.copy.chown = "nobody";
    CHECK(fixture.refusal() == "usage: user nobody is not in the image's /etc/passwd");
}

TEST_CASE("an octal --chmod is for made parents too, a symbolic one is relative to each source") {
    EditFixture fixture;
    fixture.source.folder("d/sub", 0700).file("d/f", "", 0600).file("d/x", "", 0700).link("d/l", "f");
    fixture.copy.chmod = "644";
    CHECK(fixture.from_to({"d"}, "/a/b").result() == "a/[0644] a/b/[0644] a/b/f a/b/l>f a/b/sub/[0644] a/b/x");
    fixture.copy.chmod = "go=u,o-w,a+X";
    CHECK(fixture.from_to({"d"}, "/a/b").result() == "a/ a/b/ a/b/f[0664] a/b/l>f a/b/sub/[0775] a/b/x[0775]");
    fixture.copy.chmod = "999";
    CHECK(fixture.refusal().starts_with("usage: invalid chmod parameter: '999'"));
}

TEST_CASE("--link sees nothing of the root, except who its users are") {
    EditFixture fixture;
    fixture.accounts.passwd = "app:x:7:8::/:";
    fixture.source.file("f", "x");
    fixture.root.folder("usr/bin", 0700).link("bin", "usr/bin");
    fixture.copy.link = true;
    CHECK(fixture.from_to({"f"}, "/usr/bin/").result() == "usr/ usr/bin/ usr/bin/f=x");
    CHECK(fixture.from_to({"f"}, "/bin/").result() == "bin/ bin/f=x");
    fixture.copy.chown = "app";
    CHECK(fixture.from_to({"f"}, "/bin/").result() == "bin/[7:8] bin/f=x[7:8]");
    CHECK(fixture.from_to({"f"}, "/").result() == "f=x[7:8]");
}

TEST_CASE("files that are one stay one within a source") {
    EditFixture fixture;
    fixture.source.file("d/a", "x").file("d/s/b", "x").file("c", "x").same({"d/a", "d/s/b", "c"});
    fixture.source.file("p", "y").file("q", "y").same({"p", "q"});
    CHECK(fixture.from_to({"d"}, "/o").result() == "o/ o/a=x o/s/ o/s/b=x same:/o/a/o/s/b");
    CHECK(fixture.from_to({""}, "/o").result() ==
          "o/ o/c=x o/d/ o/d/a=x o/d/s/ o/d/s/b=x o/p=y o/q=y same:/o/c/o/d/a/o/d/s/b same:/o/p/o/q");
    CHECK(fixture.from_to({"[pq]"}, "/o/").result() == "o/ o/p=y o/q=y same:/o/p/o/q");
    // Two sources are two copies.
    CHECK(fixture.from_to({"p", "q"}, "/o/").result() == "o/ o/p=y o/q=y");
    // One that was overwritten is out of its set.
    CHECK(fixture.from_to({"d", "q"}, "/o/").result() == "o/ o/a=x o/q=y o/s/ o/s/b=x same:/o/a/o/s/b");
    fixture.source.file("e/a", "z");
    CHECK(fixture.from_to({"d", "e"}, "/o/").result() == "o/ o/a=z o/s/ o/s/b=x");
    fixture.copy.chmod = "u+x";
    CHECK(fixture.from_to({"d"}, "/o").result() == "o/ o/a=x[0744] o/s/ o/s/b=x[0744] same:/o/a/o/s/b");
}

TEST_CASE("heredocs are files of root") {
    EditFixture fixture;
    fixture.copy.inline_files = {{"one", "1"}, {"two", ""}};
    auto delta = fixture.from_to({}, "/d/").run();
    CHECK(fixture.text(delta) == "d/ d/one=1 d/two");
    CHECK(delta.find(at("d/one"))->entry.mtime == default_file_time);
    fixture.copy.chown = "4";
    fixture.copy.chmod = "u+x";
    fixture.source.file("f", "x");
    CHECK(fixture.from_to({"f"}, "/d/").result() == "d/[4:4] d/f=x[0744][4:4] d/one=1[0744][4:4] d/two[0744][4:4]");
    CHECK(fixture.from_to({}, "/name").result() == "name[0744][4:4]");
}

TEST_CASE("WORKDIR makes what is missing and leaves alone what stands") {
    EditFixture fixture;
    fixture.accounts.passwd = "app:x:7:8::/:";
    fixture.root.folder("srv", 0700).link("home", "/srv").file("file");
    auto make = [&](std::string_view path, std::string owner) {
        return fixture.text(make_directory({at(path), std::move(owner)}, fixture.inputs()));
    };
    CHECK(make("/a/b", "") == "a/ a/b/");
    CHECK(make("/home/a/b", "app") == "srv/a/[7:8] srv/a/b/[7:8]");
    CHECK(make("/srv", "app") == "");
    CHECK(make("/home", "5:6") == "");
    CHECK(imgbuild::test::refusal([&] { make("/file/x", ""); }) == "usage: cannot replace file /file with a directory");
    CHECK(imgbuild::test::refusal([&] { make("/x", "nobody"); }) ==
          "usage: user nobody is not in the image's /etc/passwd");
}
