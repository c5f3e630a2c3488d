// SPDX-License-Identifier: Apache-2.0
#include "layerstore/snapshot/plain_tree.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/temporary_directory.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/snapshot/test_support.h"
#include "layerstore/tree/algebra.h"
#include "layerstore/tree/random_trees.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;
using imgbuild::layerstore::test::for_each_seed;
using imgbuild::layerstore::test::lay_down;
using imgbuild::layerstore::test::RandomTrees;

namespace {

ImagePath at(std::string_view text) { return ImagePath::clean(text); }

bool is_root() {
    if (::geteuid() == 0) return true;
    MESSAGE("skipped: needs root for owners and whiteouts");
    return false;
}

/// A directory with a few files, the scene of the cases below.
struct Scene {
    TemporaryDirectory place = TemporaryDirectory::create();
    Directory root = place.directory().make_directory(at("root"));
    Directory upper = place.directory().make_directory(at("upper"));

    Scene& file(const std::string& path, const std::string& bytes) {
        root.make_directory(at(path).parent());
        Fd out = root.open(at(path), O_WRONLY | O_CREAT | O_TRUNC, FollowLinks::never, 0644);
        REQUIRE(::write(out.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
        return *this;
    }
    std::string path(const std::string& name) const { return place.path() + "/root/" + name; }
    /// What `change` does to the tree, one line for each change.
    std::vector<std::string> changes(const std::function<void()>& change) {
        const TreeLook before = TreeLook::at(root);
        change();
        collect_changes(root, before, upper);
        std::vector<std::string> lines;
        const TreeDelta found = read_upper(upper, OverlaySpelling::plain);
        for (const Change& one : found.changes())
            if (!one.path.is_root())
                lines.push_back((one.kind == ChangeKind::remove ? "remove " : "put ") + one.path.bytes());
        for (const LinkGroup& group : found.links()) {
            lines.emplace_back("same");
            for (const ImagePath& name : group) lines.back() += " " + name.bytes();
        }
        return lines;
    }
};
using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a layer in plain spelling is what was written, opaque directories too") {
    if (!is_root()) return;
    TemporaryDirectory place = TemporaryDirectory::create();
    for_each_seed(40, [&](RandomTrees& random) {
        TreeDelta complete = complete_for(random.delta(), random.tree());
        Directory out = place.directory().make_directory(at("written"));
        lay_down(complete, random, out, OverlaySpelling::plain);
        REQUIRE(read_upper(out, OverlaySpelling::plain) == complete);
        REQUIRE(check_upper(out, complete, OverlaySpelling::plain).empty());
        place.directory().remove_tree("written");
    });
}

TEST_CASE("layers laid over each other show what the algebra says, and what changed is found again") {
    if (!is_root()) return;
    TemporaryDirectory place = TemporaryDirectory::create();
    for_each_seed(40, [&](RandomTrees& random) {
        const Tree base = random.tree();
        const TreeDelta delta = complete_for(random.delta(), base);
        const Tree result = apply(base, delta);
        auto fresh = [&](const char* name) { return place.directory().make_directory(at(name)); };
        Directory lower = fresh("lower"), layer = fresh("layer"), root = fresh("root"), upper = fresh("upper");
        lay_down(as_delta(base), random, lower, OverlaySpelling::plain);
        lay_down(delta, random, layer, OverlaySpelling::plain);
        lay_over(lower, root, OverlaySpelling::plain);
        REQUIRE(apply(Tree(), read_upper(root, OverlaySpelling::plain)) == base);

        const TreeLook before = TreeLook::at(root);
        lay_over(layer, root, OverlaySpelling::plain);
        REQUIRE(apply(Tree(), read_upper(root, OverlaySpelling::plain)) == result);

        collect_changes(root, before, upper);
        const TreeDelta found = read_upper(upper, OverlaySpelling::plain);
        REQUIRE(normalise(found, base).delta == normalise(delta, base).delta);

        const TreeDelta kept = complete_for(with_times(normalise(found, base).delta, default_file_time), base);
        finish_upper(upper, kept, OverlaySpelling::plain);
        REQUIRE(read_upper(upper, OverlaySpelling::plain) == kept);
        settle(root, before, kept);
        REQUIRE(apply(Tree(), read_upper(root, OverlaySpelling::plain)) == apply(base, kept));
        for (const char* name : {"lower", "layer", "root", "upper"}) place.directory().remove_tree(name);
    });
}

TEST_CASE("only the part that was asked for is laid down") {
    if (!is_root()) return;
    Scene scene;
    scene.file("a/b/c", "1").file("a/b2", "2").file("a/x", "3");
    lay_over(scene.root, scene.upper, OverlaySpelling::plain, at("/a/b"));
    CHECK(scene.upper.status(at("/a/b/c")));
    CHECK_FALSE(scene.upper.status(at("/a/b2")));
    CHECK_FALSE(scene.upper.status(at("/a/x")));
}

TEST_CASE("a change is seen that leaves size and time as they were") {
    if (!is_root()) return;
    Scene scene;
    scene.file("f", "one").file("g", "one");
    CHECK(scene.changes([&] {
        struct stat was {};
        REQUIRE(::stat(scene.path("f").c_str(), &was) == 0);
        scene.file("f", "two");
        const timespec times[2] = {was.st_atim, was.st_mtim};
        REQUIRE(::utimensat(AT_FDCWD, scene.path("f").c_str(), times, 0) == 0);
    }) == Lines{"put /f"});
}

TEST_CASE("what is gone is removed once, with all below it") {
    if (!is_root()) return;
    Scene scene;
    scene.file("d/e/f", "1").file("d/g", "2").file("k", "3");
    CHECK(scene.changes([&] {
        scene.root.remove_tree("d");
        scene.root.remove_tree("k");
        scene.file("k/l", "4");
    }) == Lines{"remove /d", "put /k", "put /k/l"});
}

TEST_CASE("sockets are left out, and one in the place of a file removes it") {
    if (!is_root()) return;
    Scene scene;
    scene.file("f", "1");
    CHECK(scene.changes([&] {
        scene.root.remove_tree("f");
        Fd listener(::socket(AF_UNIX, SOCK_STREAM, 0));
        sockaddr_un address{AF_UNIX, {}};
        REQUIRE(scene.path("f").copy(address.sun_path, sizeof address.sun_path - 1) < sizeof address.sun_path - 1);
        REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::mknodat(scene.root.fd(), "nothing", S_IFCHR, 0) == 0);
    }) == Lines{"remove /f"});
}

TEST_CASE("linked names that were changed part, as overlay parts them") {
    if (!is_root()) return;
    Scene scene;
    scene.file("a", "one");
    for (const char* name : {"b", "c"}) REQUIRE(::linkat(scene.root.fd(), "a", scene.root.fd(), name, 0) == 0);
    CHECK(scene.changes([&] {
        scene.file("b", "more");
        REQUIRE(::unlinkat(scene.root.fd(), "c", 0) == 0);
    }) == Lines{"put /a", "put /b", "remove /c"});
    CHECK(scene.root.status(at("/a"))->st_ino != scene.root.status(at("/b"))->st_ino);
    CHECK(scene.root.read_file(at("/b"), 10) == "more");
}

TEST_CASE("a new name links with one old one") {
    if (!is_root()) return;
    Scene scene;
    scene.file("a", "one");
    REQUIRE(::linkat(scene.root.fd(), "a", scene.root.fd(), "b", 0) == 0);
    CHECK(scene.changes([&] { REQUIRE(::linkat(scene.root.fd(), "a", scene.root.fd(), "c", 0) == 0); }) ==
          Lines{"put /a", "put /b", "put /c", "same /a /c"});
}

TEST_CASE("names that stay one file when another name of it goes are left alone") {
    if (!is_root()) return;
    Scene scene;
    scene.file("a", "one");
    for (const char* name : {"b", "c"}) REQUIRE(::linkat(scene.root.fd(), "a", scene.root.fd(), name, 0) == 0);
    CHECK(scene.changes([&] { REQUIRE(::unlinkat(scene.root.fd(), "b", 0) == 0); }) ==
          Lines{"put /a", "remove /b", "put /c", "same /a /c"});
}
