// SPDX-License-Identifier: Apache-2.0
#include "builder/exchange/cache_export.h"

#include <doctest/doctest.h>

#include "base/temporary_directory.h"
#include "builder/cache/step_key.h"
#include "builder/exchange/memory_place.h"
#include "layerstore/tree/tree_delta.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

struct Exporting {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    std::unique_ptr<layerstore::Store> store = layerstore::Store::open(scratch.path() + "/store");
    std::shared_ptr<MemoryPlace> place = std::make_shared<MemoryPlace>();

    /// A build that did one step of this name, and came to its end before anything was due.
    void run_build(const std::string& step, bool succeeded = true) {
        place->between = std::chrono::hours(1);
        CacheExport cache({.place = place}, *store);
        const std::string delta = layerstore::TreeDelta().encode();
        const DeltaId id{Sha256::of(delta)};
        store->records().save_delta(id, delta);
        const StepKey key(step);
        cache.add_step({layerstore::MemoKind::run, key.digest()}, key.preimage(), id);
        cache.finish(succeeded);
    }

    bool has(const std::string& step) const {
        const auto cache = CacheManifest::parse(place->manifest.value(), "memory");
        return decode_steps(place->blobs.at(cache.value().steps.value().digest), "memory")
            .contains({layerstore::MemoKind::run, StepKey(step).digest()});
    }
};

}  // namespace

TEST_CASE("records whose manifest somebody replaced before it settled are put there again") {
    Exporting exporting;
    exporting.run_build("theirs");
    const std::optional<std::string> theirs = exporting.place->manifest;
    exporting.place->settles = std::chrono::milliseconds(50);
    // Somebody read the manifest before ours was there, and writes it when ours is.
    exporting.place->after_change = [&](int changes) {
        if (changes == 2) exporting.place->manifest = theirs;
    };
    exporting.run_build("ours");
    CHECK(exporting.has("theirs"));
    CHECK(exporting.has("ours"));
    CHECK(exporting.place->changes == 3);
}

TEST_CASE("a build that adds nothing to a cache does not wait for it to settle") {
    Exporting exporting;
    exporting.run_build("step");
    exporting.place->settles = std::chrono::hours(1);
    exporting.run_build("step");
    CHECK(exporting.place->changes == 2);  // the date of use
}

TEST_CASE("what a failed build finished stands in the cache, and nothing goes for it") {
    Exporting exporting;
    exporting.run_build("first");
    exporting.run_build("second", false);
    CHECK(exporting.has("first"));
    CHECK(exporting.has("second"));
}
