// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/step_times.h"

#include <doctest/doctest.h>

#include "layerstore/tree/algebra.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::layerstore;

namespace {

constexpr StepTimes fixed{};
constexpr StepTimes preserve{Timestamps::preserve, {}};
constexpr StepTimes clamp{Timestamps::clamp, {1'000, 0}};

TreeDelta file_at(FileTime time) {
    Entry file;
    file.mtime = time;
    return TreeDelta::build({{ImagePath::clean("/f"), ChangeKind::put, file}});
}

Tree tree_at(FileTime time) { return apply(Tree(), file_at(time)); }

FileTime sealed(const StepTimes& times, FileTime time) {
    return times.seal(file_at(time)).find(ImagePath::clean("/f"))->entry.mtime;
}

}  // namespace

TEST_CASE("step times: a result has the constant, its own time in whole seconds, or none that is too late") {
    CHECK(sealed(fixed, {5, 7}) == default_file_time);
    CHECK(sealed(preserve, {5'000, 7}) == FileTime{5'000, 0});
    CHECK(sealed(clamp, {999, 7}) == FileTime{999, 0});
    CHECK(sealed(clamp, {1'000, 7}) == FileTime{1'000, 0});
    CHECK(sealed(clamp, {1'001, 0}) == FileTime{1'000, 0});
    CHECK(sealed(clamp, {-1, 1}) == FileTime{-1, 0});
}

TEST_CASE("step times: keys know times only where files keep theirs") {
    CHECK(fixed.identity(tree_at({1, 0})) == fixed.identity(tree_at({2, 0})));
    CHECK(preserve.identity(tree_at({1, 0})) != preserve.identity(tree_at({2, 0})));
    const Entry early = *tree_at({1, 0}).find(ImagePath::clean("/f"));
    const Entry late = *tree_at({2, 0}).find(ImagePath::clean("/f"));
    CHECK(fixed.identity(early) == fixed.identity(late));
    CHECK(clamp.identity(early) != clamp.identity(late));
    CHECK(fixed.text().empty());
    CHECK(preserve.text() == "preserve");
    CHECK(clamp.text() == "clamp 1000");
}
