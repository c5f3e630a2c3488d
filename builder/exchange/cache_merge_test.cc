// SPDX-License-Identifier: Apache-2.0
#include "builder/exchange/cache_merge.h"

#include <doctest/doctest.h>

#include <string>

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

constexpr std::int64_t later = spared_microseconds + 100;

StepName named(const std::string& key) { return {layerstore::MemoKind::run, Sha256::of(key)}; }

CachedLayer layer(const std::string& bytes) {
    return {{.media_type = "layer", .digest = Sha256::of(bytes), .size = bytes.size()}, {Sha256::of("tar")}, {}};
}

StepRecord step(const std::string& key, const std::string& delta, std::int64_t used = 0) {
    StepRecord record;
    record.key = Sha256::of(key);
    record.delta = delta;
    record.used = used;
    return record;
}

CacheContent content(const std::vector<std::pair<std::string, std::int64_t>>& steps) {
    CacheContent there;
    for (const auto& [key, used] : steps) there.steps[named(key)] = step(key, "delta of " + key, used);
    return there;
}

}  // namespace

TEST_CASE("what a complete build did not use goes, what others named meanwhile stays") {
    const CacheUses at_start = CacheUses::of(content({{"used", 1}, {"old", 1}, {"renewed", 1}}));
    const CacheChanges changes{.used_steps = {named("used")}, .now = later, .is_complete = true};
    const auto merged = merge_cache(content({{"used", 1}, {"old", 1}, {"renewed", 5}, {"new", 5}}), at_start, changes);
    CHECK(merged.steps.size() == 3);
    CHECK(!merged.steps.contains(named("old")));
    CHECK(merged.steps.at(named("used")).used == later);
    CHECK(merged.steps.at(named("renewed")).used == 5);
}

TEST_CASE("what was named a moment ago stays, used or not") {
    const auto there = content({{"recent", 50}});
    const auto merged =
        merge_cache(there, CacheUses::of(there), {.now = spared_microseconds + 10, .is_complete = true});
    CHECK(merged.steps.size() == 1);
}

TEST_CASE("a cache has all of a build once its records are named since") {
    CacheChanges changes{.used_steps = {named("used")}, .now = later};
    changes.steps[named("mine")] = step("mine", "d");
    CHECK(!has_all({}, changes));
    CHECK(!has_all(content({{"used", later}}), changes));
    CHECK(!has_all(content({{"used", later}, {"mine", later - 1}}), changes));
    CHECK(has_all(content({{"used", later}, {"mine", later + 1}}), changes));
}

TEST_CASE("a build that is not complete adds and takes nothing away") {
    const auto there = content({{"old", 1}});
    CacheChanges changes{.now = later};
    changes.steps[named("mine")] = step("mine", "d");
    const auto merged = merge_cache(there, CacheUses::of(there), changes);
    CHECK(merged.steps.contains(named("old")));
    CHECK(merged.steps.at(named("mine")).used == later);
}

TEST_CASE(
    "of one step the result that somebody else exported meanwhile stays, and one that stood at the start is replaced") {
    const auto at_start = CacheUses::of(content({{"again", 1}}));
    auto there = content({{"again", 1}, {"raced", 5}});
    CacheChanges changes{.now = later};
    changes.steps[named("again")] = step("again", "mine");
    changes.steps[named("raced")] = step("raced", "mine");
    const auto merged = merge_cache(there, at_start, changes);
    CHECK(merged.steps.at(named("again")).delta == "mine");
    CHECK(merged.steps.at(named("raced")).delta == "delta of raced");
}

TEST_CASE("a build adds to a cache what is not there, and dates of use are no addition") {
    auto there = content({{"known", 1}});
    CacheChanges changes{.used_steps = {named("known")}, .now = later};
    changes.steps[named("known")] = step("known", "another result");
    CHECK(!adds_to(there, changes));
    changes.steps[named("known")].layers = {layer("gzip")};
    CHECK(adds_to(there, changes));
    there.steps[named("known")].layers = {layer("zstd"), layer("gzip")};
    CHECK(!adds_to(there, changes));
    changes.steps[named("new")] = step("new", "d");
    CHECK(adds_to(there, changes));
    CHECK(adds_to({}, {.bases = {{Sha256::of("base"), {}}}, .now = later}));
}

TEST_CASE("layers of equal results come together") {
    auto there = content({{"same", 5}});
    there.steps[named("same")].layers = {layer("gzip")};
    CacheChanges changes{.now = later};
    changes.steps[named("same")] = step("same", "delta of same");
    changes.steps[named("same")].layers = {layer("gzip"), layer("zstd")};
    CHECK(merge_cache(there, {}, changes).steps.at(named("same")).layers.size() == 2);
}

TEST_CASE("records of a base that nobody used go with it") {
    CacheContent there;
    there.bases[Sha256::of("a")].used = 1;
    there.bases[Sha256::of("b")].used = 1;
    const CacheChanges changes{.used_bases = {Sha256::of("b")}, .now = later, .is_complete = true};
    const auto merged = merge_cache(there, CacheUses::of(there), changes);
    CHECK(!merged.bases.contains(Sha256::of("a")));
    CHECK(merged.bases.at(Sha256::of("b")).used == later);
}

TEST_CASE("above the limit the records that were used last keep their layers") {
    auto there = content({{"a", 1}, {"b", 3}, {"c", 2}});
    for (const char* key : {"a", "b", "c"}) there.steps[named(key)].layers = {layer(key)};
    CHECK(limit_layers(there.steps, 2).size() == 2);
    CHECK(there.steps.at(named("a")).layers.empty());
    CHECK(there.steps.at(named("b")).layers.size() == 1);
    CHECK(there.steps.at(named("c")).layers.size() == 1);
}
