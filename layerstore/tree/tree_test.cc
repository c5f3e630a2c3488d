// SPDX-License-Identifier: Apache-2.0
#include "layerstore/tree/tree.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

#include "base/error.h"
#include "layerstore/tree/algebra.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;

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

// Trees over a small alphabet of names, so that two of them collide often: kinds change, subtrees vanish.
class RandomTrees {
  public:
    explicit RandomTrees(std::uint32_t seed) : random_(seed) {}

    Tree tree() {
        std::vector<Change> changes;
        std::vector<ImagePath> files;
        fill(ImagePath(), 0, changes, files);
        std::vector<LinkGroup> links;
        if (files.size() >= 2 && pick(2) == 0) links.push_back(link(files, changes));
        return apply(Tree(), TreeDelta::build(std::move(changes), std::move(links)));
    }
    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }

  private:
    Entry leaf() {
        Entry entry = pick(4) == 0 ? Entry{} : file(std::string(pick(3), 'x'));
        if (pick(4) == 0) {
            entry = Entry{};
            entry.kind = EntryKind::symlink;
            entry.mode = 0777;
            entry.link_target = pick(2) == 0 ? "/a" : "b";
        }
        entry.uid = pick(2);
        entry.mtime.seconds = pick(2);
        if (pick(5) == 0) entry.xattrs = std::make_shared<const Xattrs>(Xattrs{{"user.k", std::string("\0v", 2)}});
        return entry;
    }
    void fill(const ImagePath& here, int depth, std::vector<Change>& changes, std::vector<ImagePath>& files) {
        for (std::string_view name : {"a", "a-", "b", "c\n", "\xff"}) {
            if (pick(2) == 0) continue;
            ImagePath path = here.child(name);
            if (depth < 3 && pick(2) == 0) {
                changes.push_back({path, ChangeKind::put, directory(pick(2) == 0 ? 0755 : 0700)});
                fill(path, depth + 1, changes, files);
                continue;
            }
            changes.push_back({path, ChangeKind::put, leaf()});
            if (changes.back().entry.is_file()) files.push_back(path);
        }
    }
    LinkGroup link(const std::vector<ImagePath>& files, std::vector<Change>& changes) {
        std::size_t first = pick(static_cast<unsigned>(files.size() - 1));
        return same(files[first], files[first + 1], changes);
    }
    static LinkGroup same(const ImagePath& first, const ImagePath& second, std::vector<Change>& changes) {
        Entry* entries[2] = {};
        for (Change& change : changes) {
            if (change.path == first) entries[0] = &change.entry;
            if (change.path == second) entries[1] = &change.entry;
        }
        *entries[1] = *entries[0];
        return {first, second};
    }
    std::mt19937 random_;
};

// Nodes by id, as the store keeps them.
class FakeNodes final : public NodeSource {
  public:
    TreeRef keep(const Tree& tree) {
        keep_node(*tree.below());
        TreeRef ref = tree.ref();
        links_[ref.links] = tree.encoded_links();
        return ref;
    }
    std::string load_node(const TreeId& id) const override { return nodes_.at(id); }
    std::string load_links(const Digest& id) const override { return links_.at(id); }

  private:
    void keep_node(const Subtree& node) {
        nodes_[node.id()] = node.encode();
        for (const Child& child : node.children())
            if (child.below) keep_node(*child.below);
    }
    std::map<TreeId, std::string> nodes_;
    std::map<Digest, std::string> links_;
};

}  // namespace

TEST_CASE("applying the difference of two trees to the first gives the second") {
    RandomTrees random(1);
    for (int round = 0; round < 2000; ++round) {
        Tree a = random.tree();
        Tree b = random.tree();
        REQUIRE(apply(a, difference(a, b)) == b);
        REQUIRE(difference(a, a).empty());
        REQUIRE(apply(Tree(), as_delta(a)) == a);
    }
}

TEST_CASE("a normalised delta leads to the same content and names what it dropped") {
    RandomTrees random(2);
    for (int round = 0; round < 2000; ++round) {
        // Without links below: a put of one name of a linked file that changes nothing else is dropped, and the
        // link stays, because overlay file systems break links that no step meant to break.
        TreeDelta plain = as_delta(random.tree());
        Tree a = apply(Tree(), TreeDelta::build({plain.changes().begin(), plain.changes().end()}));
        TreeDelta delta = as_delta(random.tree());
        Normalised normal = normalise(delta, a);
        REQUIRE(apply(a, normal.delta).content_id() == apply(a, delta).content_id());
        REQUIRE(normal.dropped.size() + normal.delta.changes().size() == delta.changes().size());
        REQUIRE(normalise(as_delta(a), a).delta.empty());
    }
}

TEST_CASE("an encoded delta comes back, and no damaged one passes for it") {
    RandomTrees random(3);
    for (int round = 0; round < 300; ++round) {
        TreeDelta delta = difference(random.tree(), random.tree());
        std::string bytes = delta.encode();
        REQUIRE(TreeDelta::decode(bytes) == delta);
        for (int damage = 0; damage < 20; ++damage) {
            std::string wrong = bytes;
            wrong[random.pick(static_cast<unsigned>(wrong.size()))] ^= static_cast<char>(1 + random.pick(255));
            std::optional<DeltaId> accepted;
            try {
                accepted = TreeDelta::decode(wrong).id();
            } catch (const Error& error) {
                bool told = error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::invalid_input;
                REQUIRE(told);
            }
            REQUIRE(accepted != delta.id());
        }
    }
}

TEST_CASE("a tree loaded from its nodes is the tree that was stored") {
    RandomTrees random(4);
    for (int round = 0; round < 300; ++round) {
        Tree tree = random.tree();
        FakeNodes nodes;
        Tree loaded = Tree::from_ref(nodes.keep(tree), nodes);
        REQUIRE(loaded.id() == tree.id());
        REQUIRE(loaded.content_id() == tree.content_id());
        REQUIRE(difference(loaded, tree).empty());
        REQUIRE(loaded.links() == tree.links());
    }
}

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

TEST_CASE("a grafted tree is what is selected again") {
    RandomTrees random(5);
    for (int round = 0; round < 200; ++round) {
        Tree base = random.tree();
        Tree part = random.tree();
        REQUIRE(select(graft(base, at("/p/q"), part), at("/p/q")) == part);
    }
    CHECK_THROWS_WITH_AS(select(Tree(), at("/none")), "tree: /none: not a directory", Error);
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
