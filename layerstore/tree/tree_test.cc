// SPDX-License-Identifier: Apache-2.0
#include "layerstore/tree/tree.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/test_support.h"
#include "layerstore/tree/algebra.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;
using imgbuild::test::refusal;

namespace {

ImagePath at(std::string_view text) { return ImagePath::clean(text); }

Entry file(std::string_view content, std::uint16_t mode = 0644) {
    Entry entry;
    entry.mode = mode;
    entry.size = content.size();
    entry.content = Sha256::of(content);
    return entry;
}

Entry directory(std::uint16_t mode = 0755) {
    Entry entry;
    entry.kind = EntryKind::directory;
    entry.mode = mode;
    return entry;
}

Change put(std::string_view path, Entry entry) { return {at(path), ChangeKind::put, std::move(entry)}; }
Change gone(std::string_view path) { return {at(path), ChangeKind::remove, {}}; }
Change opaque(std::string_view path) { return {at(path), ChangeKind::empty, directory()}; }

std::string listing(const Tree& tree) {
    std::string out;
    tree.walk([&](const ImagePath& path, const Child&) { return out += path.bytes() + " ", true; });
    return out;
}

}  // namespace

TEST_CASE("times change the tree's id but not its content id") {
    Entry later = file("x");
    later.mtime.seconds = 5;
    Tree a = apply(Tree(), TreeDelta::build({put("/f", file("x"))}));
    Tree b = apply(Tree(), TreeDelta::build({put("/f", later)}));
    CHECK(a.id() != b.id());
    CHECK(a.content_id() == b.content_id());
}

TEST_CASE("a large directory is one value whatever way it was filled") {
    std::vector<Change> changes;
    for (int i = 0; i < 3000; ++i) changes.push_back(put("/d/f" + std::to_string(i), file("x")));
    Tree whole = apply(Tree(), TreeDelta::build(changes));
    Tree grown;
    for (std::size_t begin = 0; begin < changes.size(); begin += 1000)
        grown = apply(grown, TreeDelta::build({changes.begin() + static_cast<long>(begin),
                                               changes.begin() + static_cast<long>(begin + 1000)}));
    CHECK(whole == grown);
    CHECK(whole.count_entries() == 3001);
}

TEST_CASE("whiteouts, opaque directories and changes of kind act on what lies below them") {
    Tree base =
        apply(Tree(), TreeDelta::build({put("/d/x", file("1")), put("/d/y/z", file("2")), put("/f", file("3"))}));
    CHECK(listing(base) == "/d /d/x /d/y /d/y/z /f ");
    CHECK(listing(apply(base, TreeDelta::build({gone("/d/y")}))) == "/d /d/x /f ");
    CHECK(listing(apply(base, TreeDelta::build({opaque("/d"), put("/d/new", file("4"))}))) == "/d /d/new /f ");
    CHECK(listing(apply(base, TreeDelta::build({put("/d", file("5"))}))) == "/d /f ");
    CHECK(listing(apply(base, TreeDelta::build({put("/f/inner", file("6"))}))) == "/d /d/x /d/y /d/y/z /f /f/inner ");
}

TEST_CASE("one name of a hard link that changes leaves the others linked") {
    std::vector<Change> changes{put("/a", file("x")), put("/b", file("x")), put("/c", file("x"))};
    Tree base = apply(Tree(), TreeDelta::build(changes, {{at("/a"), at("/b"), at("/c")}}));
    CHECK(apply(base, TreeDelta::build({put("/b", file("y"))})).links() ==
          std::vector<LinkGroup>{{at("/a"), at("/c")}});
    CHECK(apply(base, TreeDelta::build({gone("/b"), gone("/c")})).links().empty());
    CHECK(base.links_of(at("/b")) != nullptr);
}

TEST_CASE("links are followed inside the tree only") {
    Entry link;
    link.kind = EntryKind::symlink;
    auto to = [&](const char* target) { return link.link_target = target, link; };
    Tree tree = apply(Tree(), TreeDelta::build({put("/usr/lib/x", file("1")), put("/lib", to("usr/lib")),
                                                put("/up", to("../../../usr")), put("/loop", to("loop"))}));
    CHECK(tree.resolve(at("/lib/x")).bytes() == "/usr/lib/x");
    CHECK(tree.resolve(at("/up/lib/x")).bytes() == "/usr/lib/x");
    CHECK(tree.resolve(at("/lib"), false).bytes() == "/lib");
    CHECK(tree.resolve(at("/lib/new/name")).bytes() == "/usr/lib/new/name");
    CHECK_THROWS_WITH_AS(tree.resolve(at("/loop")), "path: /loop: too many levels of symbolic links", Error);
}

TEST_CASE("what is no directory cannot be selected") {
    CHECK_THROWS_WITH_AS(select(Tree(), at("/none")), "tree: /none: not a directory", Error);
}

TEST_CASE("a selection keeps the links inside it, whatever a file outside is called") {
    std::vector<Change> changes;
    for (const char* path : {"/d/one", "/d/two", "/d/three", "/out", "/over"}) changes.push_back(put(path, file("x")));
    Tree tree = apply(
        Tree(), TreeDelta::build(changes, {{at("/d/one"), at("/d/two"), at("/out")}, {at("/d/three"), at("/over")}}));
    CHECK(select(tree, at("/d")).links() == std::vector<LinkGroup>{{at("/one"), at("/two")}});
    CHECK(select(apply(tree, TreeDelta::build({gone("/out")})), at("/d")) == select(tree, at("/d")));
}

TEST_CASE("an emptied directory that was filled again is spelt by what is gone and what is new") {
    Tree base = apply(Tree(), TreeDelta::build({put("/d/same", file("1")), put("/d/old", file("2")),
                                                put("/d/sub/x", file("3")), put("/d/sub/y", file("4"))}));
    Entry touched = file("1");
    touched.mtime.seconds = 7;
    TreeDelta again = TreeDelta::build({{at("/d"), ChangeKind::empty, implied_directory()},
                                        put("/d/same", touched),
                                        put("/d/new", file("5")),
                                        put("/d/sub", implied_directory()),
                                        put("/d/sub/y", file("4"))});
    Normalised normal = normalise(again, base);
    CHECK(normal.delta == TreeDelta::build({put("/d/new", file("5")), gone("/d/old"), gone("/d/sub/x")}));
    CHECK(normal.dropped == std::vector<ImagePath>{at("/d"), at("/d/same"), at("/d/sub"), at("/d/sub/y")});
}

TEST_CASE("normalising keeps links that a copy broke and cuts those that a change broke") {
    std::vector<Change> changes{put("/a", file("x")), put("/b", file("x")), put("/c", file("x"))};
    Tree base = apply(Tree(), TreeDelta::build(changes, {{at("/a"), at("/b"), at("/c")}}));
    CHECK(normalise(TreeDelta::build({put("/a", file("x"))}), base).delta.empty());
    TreeDelta split =
        TreeDelta::build({put("/a", file("y")), put("/b", file("x")), put("/d", file("x"))}, {{at("/b"), at("/d")}});
    CHECK(normalise(split, base).delta == split);
    CHECK(apply(base, split).links() == std::vector<LinkGroup>{{at("/b"), at("/d")}});
}

TEST_CASE("a delta's record is written in one way") {
    Entry x = file("x");
    TreeDelta delta = TreeDelta::build({put("/a", x), put("/b", x), gone("/c")}, {{at("/a"), at("/b")}});
    std::string entry = std::string("\x01\xa4\x03\0\0\x01", 6) + std::string(x.content.raw()) + std::string(3, '\0');
    std::string a = std::string("\2/a\0", 4) + entry;
    std::string b = std::string("\2/b\0", 4) + entry;
    std::string c = "\2/c\1";
    auto record = [&](const std::string& groups) { return "\1\3" + a + b + c + groups; };
    CHECK(delta.encode() == record(std::string("\1\2\0\1", 4)));
    auto refused = [](const std::string& bytes) { return refusal([&] { TreeDelta::decode(bytes); }); };
    CHECK(refused(record(std::string("\1\3\0\1\1", 5))) == "corrupt: delta: a link to nothing");
    CHECK(refused(record(std::string("\1\2\1\0", 4))) == "corrupt: delta: links are not in order");
    CHECK(refused(record(std::string("\1\1\0\0", 4))) == "corrupt: delta: a hard link group of one path");
    CHECK(refused(record(std::string("\1\2\0\2", 4))) ==
          "corrupt: delta: layer: /c: a hard link to what is not the same file");
    CHECK(refused("\1\2" + c + c + std::string(1, '\0')) == "corrupt: delta: paths are not in order");
    CHECK(refused("\1\1" + std::string("\3/c/\1\0", 6)) == "corrupt: delta: a path is not canonical");
}

TEST_CASE("a layer that contradicts itself is refused by name") {
    auto build = [](std::vector<Change> changes) { return TreeDelta::build(std::move(changes)); };
    CHECK_THROWS_WITH_AS(build({put("/a", file("1")), gone("/a")}), "layer: /a: changed twice in one layer", Error);
    CHECK_THROWS_WITH_AS(build({put("/a", file("1")), put("/a/b", file("2"))}),
                         "layer: /a/b: lies below /a, which is not a directory", Error);
    CHECK_THROWS_WITH_AS(build({gone("/")}), "layer: /: the root can only be a directory", Error);
    CHECK_THROWS_WITH_AS(TreeDelta::build({put("/a", file("1")), put("/b", file("2"))}, {{at("/a"), at("/b")}}),
                         "layer: /b: a hard link to what is not the same file", Error);
}
