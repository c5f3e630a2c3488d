// SPDX-License-Identifier: Apache-2.0
#include "builder/exchange/imported_cache.h"

#include <doctest/doctest.h>

#include "base/temporary_directory.h"
#include "builder/exchange/memory_place.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using layerstore::MemoKind;

namespace {

StepName run_named(const std::string& name) { return {MemoKind::run, Sha256::of(name)}; }

struct Importing {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    std::unique_ptr<layerstore::Store> store = layerstore::Store::open(scratch.path() + "/store");
    std::shared_ptr<MemoryPlace> place = std::make_shared<MemoryPlace>();
    ImportedCache cache{{.place = place}, *store};

    /// Each used a moment later than the one before.
    void put(const std::vector<std::string>& names, std::int64_t used = 0) {
        StepRecords steps;
        for (const std::string& name : names) {
            StepRecord step;
            step.key = Sha256::of(name);
            step.preimage = "RUN " + name;
            step.delta = "delta of " + name;
            step.used = used++;
            steps[run_named(name)] = step;
        }
        const std::string blob = encode_steps(steps);
        place->blobs[Sha256::of(blob)] = blob;
        CacheManifest manifest;
        manifest.steps = {.media_type = "records", .digest = Sha256::of(blob), .size = blob.size()};
        place->manifest = manifest.encode();
    }
};

}  // namespace

TEST_CASE("a RUN that another builder came to during the build is found, and what was found stays") {
    Importing importing;
    importing.put({"first"});
    const StepRecord* first = importing.cache.find_step(run_named("first"));
    REQUIRE(first);
    CHECK(!importing.cache.find_step(run_named("second")));
    importing.put({"second"});
    const StepRecord* second = importing.cache.find_step(run_named("second"));
    REQUIRE(second);
    CHECK(second->delta == "delta of second");
    CHECK(importing.cache.find_step(run_named("first")) == first);
    CHECK(importing.cache.take_warnings().empty());
}

TEST_CASE("a cache that is made during the build counts from then on") {
    Importing importing;
    CHECK(!importing.cache.find_step(run_named("step")));
    CHECK(importing.cache.take_warnings() == std::vector<std::string>{"memory: nothing stands there yet"});
    importing.put({"step"});
    CHECK(importing.cache.find_step(run_named("step")));
}

TEST_CASE("of a cache that may be missing nothing is said") {
    Importing importing;
    ImportedCache cache({.place = importing.place, .may_be_missing = true}, *importing.store);
    CHECK(!cache.find_step(run_named("step")));
    CHECK(cache.take_warnings().empty());
    importing.put({"step"});
    CHECK(cache.find_step(run_named("step")));
}

TEST_CASE("a cache is not looked at again for a COPY, nor before its pause is over") {
    Importing importing;
    importing.put({"step"});
    CHECK(!importing.cache.find_step({MemoKind::edit, Sha256::of("copy")}));
    CHECK(importing.place->looks == 1);
    importing.place->between = std::chrono::hours(1);
    CHECK(!importing.cache.find_step(run_named("other")));
    CHECK(importing.place->looks == 1);
}

TEST_CASE("what was read stays when a cache becomes unreadable, and it is not asked again") {
    Importing importing;
    importing.put({"step"});
    REQUIRE(importing.cache.find_step(run_named("step")));
    importing.place->manifest = "damaged";
    for (int time = 0; time < 2; ++time) CHECK(!importing.cache.find_step(run_named("other")));
    CHECK(importing.place->looks == 2);
    CHECK(importing.cache.find_step(run_named("step")));
    CHECK(!importing.cache.is_dropped());
}

TEST_CASE("explanations look at the steps that were used last, of one kind, before the build began") {
    Importing importing;
    importing.put({"a", "b", "c"}, 3);
    CHECK(importing.cache.latest_steps(MemoKind::run, "RUN", 2).empty());  // nothing is read for an explanation
    CHECK(importing.cache.find_step(run_named("a")));
    const auto latest = importing.cache.latest_steps(MemoKind::run, "RUN", 2);
    REQUIRE(latest.size() == 2);
    CHECK(latest[0]->used > latest[1]->used);
    CHECK(importing.cache.latest_steps(MemoKind::run, "COPY", 2).empty());
    CHECK(importing.cache.latest_steps(MemoKind::edit, "RUN", 2).empty());
    importing.put({"own"}, microseconds_now() + 1);
    CHECK(importing.cache.find_step(run_named("own")));
    CHECK(importing.cache.latest_steps(MemoKind::run, "RUN", 9).size() == 3);
}
