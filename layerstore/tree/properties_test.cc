// SPDX-License-Identifier: Apache-2.0
// The laws of the algebra and of the codecs, on random trees. Every case is a loop over fixed seeds, and each
// failure names its seed.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <map>

#include "base/error.h"
#include "layerstore/tree/algebra.h"
#include "layerstore/tree/random_trees.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;
using imgbuild::layerstore::test::for_each_seed;
using imgbuild::layerstore::test::RandomTrees;

namespace {

ImagePath at(std::string_view text) { return ImagePath::clean(text); }

// Nodes by id, as the store keeps them, and a hand that damages one.
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

    std::map<TreeId, std::string> nodes_;
    std::map<Digest, std::string> links_;

  private:
    void keep_node(const Subtree& node) {
        nodes_[node.id()] = node.encode();
        for (const Child& child : node.children())
            if (child.below) keep_node(*child.below);
    }
};

bool is_corrupt(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.kind() == ErrorKind::corrupt;
    }
    return false;
}

Tree with_all_times(const Tree& tree, FileTime time) { return apply(Tree(), with_times(as_delta(tree), time)); }

}  // namespace

TEST_CASE("applying the difference of two trees to the first gives the second") {
    for_each_seed(1500, [](RandomTrees& random) {
        Tree a = random.tree();
        Tree b = random.tree();
        REQUIRE(apply(a, difference(a, b)) == b);
        REQUIRE(difference(a, a).empty());
        REQUIRE(apply(Tree(), as_delta(a)) == a);
        Tree c = apply(a, random.delta());
        REQUIRE(apply(a, difference(a, c)) == c);
    });
}

TEST_CASE("a normalised delta depends only on the base and on what stands there afterwards") {
    for_each_seed(1500, [](RandomTrees& random) {
        Tree base = random.tree();
        TreeDelta delta = random.delta();
        Tree target = apply(base, delta);
        TreeDelta normal = normalise(delta, base).delta;
        REQUIRE(normalise(difference(base, target), base).delta == normal);
        REQUIRE(normalise(normal, base).delta == normal);
        for (const Change& change : normal.changes()) REQUIRE(change.kind != ChangeKind::empty);
    });
}

TEST_CASE("a normalised delta leads to the same content and names what it dropped") {
    auto law = [](RandomTrees& random) {
        Tree base = random.tree();
        TreeDelta delta = random.delta();
        Normalised normal = normalise(delta, base);
        Tree wanted = apply(base, delta);
        Tree found = apply(base, normal.delta);
        REQUIRE(found.below()->content_id() == wanted.below()->content_id());
        REQUIRE(same_but_time(found.root_entry(), wanted.root_entry()));
        if (base.links().empty()) REQUIRE(found.content_id() == wanted.content_id());
        for (const Change& change : delta.changes()) {
            bool is_dropped = std::ranges::binary_search(normal.dropped, change.path);
            REQUIRE(is_dropped == (normal.delta.find(change.path) == nullptr));
        }
        REQUIRE(normalise(as_delta(base), base).delta.empty());
    };
    for_each_seed(1000, law);
    for_each_seed(1000, law, RandomTrees::Links::none);
}

TEST_CASE("an upper directory's copies, opaque marks and times change no normalised delta") {
    for_each_seed(1000, [](RandomTrees& random) {
        Tree base = random.tree();
        Tree target = apply(base, random.delta());
        // As a RUN that took everything away and made it again: an opaque root with the whole tree in it.
        TreeDelta whole = as_delta(target);
        std::vector<Change> changes(whole.changes().begin(), whole.changes().end());
        if (changes.empty() || !changes.front().path.is_root())
            changes.insert(changes.begin(), {ImagePath(), ChangeKind::put, target.root_entry()});
        changes.front().kind = ChangeKind::empty;
        TreeDelta again = TreeDelta::build(changes, {whole.links().begin(), whole.links().end()});
        FileTime time{99, 0};
        REQUIRE(with_times(normalise(again, base).delta, time) ==
                with_times(normalise(difference(base, target), base).delta, time));
        REQUIRE(normalise(as_delta(with_all_times(base, time)), base).delta.empty());
    });
}

TEST_CASE("a grafted tree is what is selected again") {
    for_each_seed(500, [](RandomTrees& random) {
        Tree base = random.tree();
        Tree part = random.tree();
        for (const char* path : {"/p/q", "/a", "/a/b/c", "/a-"})
            REQUIRE(select(graft(base, at(path), part), at(path)) == part);
        REQUIRE(select(base, ImagePath()) == base);
    });
}

TEST_CASE("a delta is the same whatever order its changes are given in") {
    for_each_seed(1000, [](RandomTrees& random) {
        TreeDelta delta = random.delta();
        REQUIRE(random.shuffled(delta) == delta);
        REQUIRE(random.shuffled(delta).id() == delta.id());
    });
}

TEST_CASE("an encoded delta comes back, and what is accepted of a damaged one is what it says") {
    for_each_seed(400, [](RandomTrees& random) {
        TreeDelta delta = random.delta();
        std::string bytes = delta.encode();
        REQUIRE(TreeDelta::decode(bytes) == delta);
        for (int damage = 0; damage < 30; ++damage) {
            std::string wrong = random.damaged(bytes);
            std::string accepted = wrong;
            bool is_refused = is_corrupt([&] { accepted = TreeDelta::decode(wrong).encode(); });
            REQUIRE((is_refused || accepted == wrong));
        }
    });
}

TEST_CASE("a tree loaded from its nodes is the tree that was stored") {
    for_each_seed(300, [](RandomTrees& random) {
        Tree tree = random.tree();
        FakeNodes nodes;
        Tree loaded = Tree::from_ref(nodes.keep(tree), nodes);
        REQUIRE(loaded.id() == tree.id());
        REQUIRE(loaded.content_id() == tree.content_id());
        REQUIRE(difference(loaded, tree).empty());
        REQUIRE(loaded.links() == tree.links());
        REQUIRE(loaded.below()->encode() == tree.below()->encode());
    });
}

TEST_CASE("no damaged node or link table is taken for the one that was asked for") {
    for_each_seed(300, [](RandomTrees& random) {
        Tree tree = random.tree();
        FakeNodes nodes;
        TreeRef ref = nodes.keep(tree);
        std::string& node = nodes.nodes_[ref.node];
        std::string wrong = random.damaged(node);
        if (wrong == node) return;
        node = wrong;
        REQUIRE(is_corrupt([&] { Tree::from_ref(ref, nodes).below()->children(); }));
        if (tree.links().empty()) return;
        std::string& links = nodes.links_[ref.links];
        wrong = random.damaged(links);
        if (wrong == links) return;
        links = wrong;
        REQUIRE(is_corrupt([&] { Tree::from_ref(ref, nodes).links(); }));
    });
}

TEST_CASE("a reference with the content id of another node is refused when the node is loaded") {
    for_each_seed(50, [](RandomTrees& random) {
        FakeNodes nodes;
        TreeRef ref = nodes.keep(random.tree());
        ref.content_node = ContentId{Sha256::of("another")};
        REQUIRE(is_corrupt([&] { Tree::from_ref(ref, nodes).below()->children(); }));
    });
}

TEST_CASE("times change no content id") {
    for_each_seed(500, [](RandomTrees& random) {
        Tree tree = random.tree();
        Tree later = with_all_times(tree, {12345, 678});
        REQUIRE(later.below()->content_id() == tree.below()->content_id());
        Tree same_root(tree.root_entry(), later.below(), later.links());
        REQUIRE(same_root.content_id() == tree.content_id());
        if (tree.below()->id() != Subtree::empty()->id()) REQUIRE(later.id() != tree.id());
    });
}
