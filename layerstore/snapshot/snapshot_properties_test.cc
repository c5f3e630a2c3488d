// SPDX-License-Identifier: Apache-2.0
// The laws of the overlay codec, on random deltas.
#include <doctest/doctest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/temporary_directory.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/snapshot/test_support.h"
#include "layerstore/tree/random_trees.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;
using imgbuild::layerstore::test::for_each_seed;
using imgbuild::layerstore::test::lay_down;
using imgbuild::layerstore::test::RandomTrees;

namespace {

constexpr OverlaySpelling with_owners_and_devices[] = {OverlaySpelling::trusted, OverlaySpelling::single};

// The kernel's overlay of lower/ and upper/ of a place, at merged/, as a sandbox mounts it.
class OverlayMount {
  public:
    explicit OverlayMount(const TemporaryDirectory& place) : point_(place.path() + "/merged") {
        const std::string options = "lowerdir=" + place.path() + "/lower,upperdir=" + place.path() +
                                    "/upper,workdir=" + place.path() + "/work,redirect_dir=off,metacopy=off,index=off";
        if (::mount("overlay", point_.c_str(), "overlay", 0, options.c_str()) != 0) problem_ = std::strerror(errno);
    }
    ~OverlayMount() {
        if (problem_.empty()) ::umount2(point_.c_str(), MNT_DETACH);
    }
    OverlayMount(const OverlayMount&) = delete;
    OverlayMount& operator=(const OverlayMount&) = delete;

    /// Why there is none; empty where there is.
    const std::string& problem() const noexcept { return problem_; }

  private:
    std::string point_, problem_;
};

}  // namespace

TEST_CASE("what the kernel's overlay shows of a change, and keeps of it, is what the algebra says") {
    if (::geteuid() != 0) {
        MESSAGE("skipped: needs root to mount");
        return;
    }
    TemporaryDirectory place = TemporaryDirectory::create();
    bool can_mount = true;
    for_each_seed(25, [&](RandomTrees& random) {
        if (!can_mount) return;
        const Tree base = random.tree();
        const TreeDelta delta = complete_for(random.delta(), base);
        auto fresh = [&](const char* name) { return place.directory().make_directory(ImagePath().child(name)); };
        Directory lower = fresh("lower"), layer = fresh("layer"), upper = fresh("upper");
        fresh("work"), fresh("merged");
        lay_down(as_delta(base), random, lower, OverlaySpelling::trusted);
        lay_down(delta, random, layer, OverlaySpelling::plain);
        {
            const OverlayMount mount(place);
            can_mount = mount.problem().empty();
            if (!can_mount) {
                MESSAGE("skipped: no overlay here: " << mount.problem());
                return;
            }
            const Directory merged = Directory::open_host(place.path() + "/merged");
            lay_over(layer, merged, OverlaySpelling::plain);
            REQUIRE(apply(Tree(), read_upper(merged, OverlaySpelling::plain)) == apply(base, delta));
        }
        const TreeDelta kept = read_upper(upper, OverlaySpelling::trusted);
        REQUIRE(normalise(kept, base).delta == normalise(delta, base).delta);
        for (const char* name : {"lower", "layer", "upper", "work", "merged"}) place.directory().remove_tree(name);
    });
}

TEST_CASE("a completed delta does what the delta does, and an upper directory holds all of it") {
    bool is_root = ::geteuid() == 0;
    if (!is_root) MESSAGE("no upper directories: they need root for owners and whiteouts");
    TemporaryDirectory place = TemporaryDirectory::create();
    for_each_seed(60, [&](RandomTrees& random) {
        Tree base = random.tree();
        TreeDelta delta = random.delta();
        TreeDelta complete = complete_for(delta, base);
        REQUIRE(apply(base, complete) == apply(base, delta));
        if (!is_root) return;
        for (OverlaySpelling spelling : with_owners_and_devices) {
            Directory out = place.directory().make_directory(ImagePath().child("written"));
            lay_down(complete, random, out, spelling);
            REQUIRE(read_upper(out, spelling) == complete);
            place.directory().remove_tree("written");
        }
    });
}

TEST_CASE("an upper directory that was finished spells the delta that its changes come to") {
    if (::geteuid() != 0) {
        MESSAGE("skipped: needs root for owners and whiteouts");
        return;
    }
    TemporaryDirectory place = TemporaryDirectory::create();
    for_each_seed(60, [&](RandomTrees& random) {
        Tree base = random.tree();
        const TreeDelta made = complete_for(random.delta(), base);
        for (OverlaySpelling spelling : with_owners_and_devices) {
            Directory upper = place.directory().make_directory(ImagePath().child("upper"));
            lay_down(made, random, upper, spelling);
            TreeDelta changes = read_upper(upper, spelling);
            TreeDelta normal = with_times(normalise(changes, base).delta, default_file_time);
            TreeDelta delta = complete_for(normal, base);
            finish_upper(upper, delta, spelling);
            REQUIRE(read_upper(upper, spelling) == delta);
            REQUIRE(apply(base, delta) == apply(base, normal));
            place.directory().remove_tree("upper");
        }
    });
}
