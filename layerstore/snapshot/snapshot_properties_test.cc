// SPDX-License-Identifier: Apache-2.0
// The laws of the overlay codec, on random deltas.
#include <doctest/doctest.h>
#include <unistd.h>

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

}  // namespace

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
