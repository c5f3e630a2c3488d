// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/run_delta.h"

#include <doctest/doctest.h>

#include "base/text.h"
#include "layerstore/tree/algebra.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::layerstore;

namespace {

ImagePath at(std::string_view path) { return ImagePath::clean(path); }

Change put(std::string_view path, std::int64_t time, std::string_view content = "x", std::uint16_t mode = 0644) {
    Entry file;
    file.mode = mode;
    file.size = content.size();
    file.content = Sha256::of(content);
    file.mtime = {time, 0};
    return {at(path), ChangeKind::put, file};
}

Change directory(std::string_view path, std::int64_t time) {
    Entry entry = implied_directory();
    entry.mtime = {time, 0};
    return {at(path), ChangeKind::put, entry};
}

Tree root() {
    return apply(Tree(), TreeDelta::build(
                             {directory("/d", 10), put("/d/a", 20), put("/d/b", 30), put("/h1", 40), put("/h2", 40)},
                             {{at("/h1"), at("/h2")}}));
}

// "/path@seconds" of all that is put but the root, in order.
std::string result_of(std::vector<Change> changes, const RunDeltaRules& rules) {
    std::string text;
    const RunDelta left = run_delta(TreeDelta::build(std::move(changes)), root(), rules);
    for (const Change& change : left.delta.changes())
        if (!change.path.is_root())
            text += change.path.absolute() +
                    (change.kind == ChangeKind::remove ? "-" : "@" + std::to_string(change.entry.mtime.seconds)) + " ";
    return text;
}

const RunDeltaRules preserve{.times = {Timestamps::preserve, {}}, .saw_first_seen_times = false};
const RunDeltaRules preserve_with_cache{.times = {Timestamps::preserve, {}}, .saw_first_seen_times = true};
const RunDeltaRules strict{.times = {}, .saw_first_seen_times = false, .scrub = true};
const RunDeltaRules clamp{.times = {Timestamps::clamp, {25, 0}}, .saw_first_seen_times = false};

}  // namespace

TEST_CASE("a RUN's result with fixed times: what was touched alone is no change") {
    CHECK(result_of({put("/d/a", 99), directory("/d", 99)}, {}) == "");
    CHECK(result_of({put("/d/a", 99, "new"), directory("/d", 99)}, {}) == "/d@315619200 /d/a@315619200 ");
}

TEST_CASE("a RUN's result with times kept: a file that was touched is one, a directory is not") {
    CHECK(result_of({put("/d/a", 99), directory("/d", 98)}, preserve) == "/d@10 /d/a@99 ");
    CHECK(result_of({directory("/d", 98)}, preserve) == "");
    CHECK(result_of({put("/d/new", 99), directory("/d", 98)}, preserve) == "/d@10 /d/new@99 ");
    CHECK(result_of({directory("/e", 97), put("/e/f", 96)}, preserve) == "/e@97 /e/f@96 ");
    // The name of a set of hard links that a copy broke.
    CHECK(result_of({put("/h1", 99)}, preserve) == "");
}

TEST_CASE("a RUN's result with times kept: no time is later than the limit") {
    CHECK(result_of({put("/d/a", 24), put("/d/b", 99)}, clamp) == "/d@10 /d/a@24 /d/b@25 ");
}

TEST_CASE("a RUN's result with times kept: below a cache mount, an old file has the time that the tree says") {
    CHECK(result_of({put("/d/a", 99), put("/d/b", 99, "x", 0755), put("/d/c", 99)}, preserve_with_cache) ==
          "/d@10 /d/b@30 /d/c@99 ");
}

TEST_CASE("a RUN's result with --repro=strict: what the table names is as if it had not been written") {
    const std::vector<Change> changes{put("/d/a", 99, "new"), directory("/var", 99), directory("/var/log", 99),
                                      put("/var/log/dpkg.log", 99)};
    CHECK(result_of(changes, {}) ==
          "/d@315619200 /d/a@315619200 /var@315619200 /var/log@315619200 /var/log/dpkg.log@315619200 ");
    CHECK(result_of(changes, strict) == "/d@315619200 /d/a@315619200 /var@315619200 /var/log@315619200 ");
    CHECK(run_delta(TreeDelta::build(changes), root(), strict).scrubbed == 1);
    CHECK(run_delta(TreeDelta::build(changes), root(), {}).scrubbed == 0);
}
