// SPDX-License-Identifier: Apache-2.0
#include "cli/builds/order_hints.h"

#include <doctest/doctest.h>

#include "layerstore/tree/tree_delta.h"

using namespace imgbuild;
using namespace imgbuild::cli;

namespace {

using Lines = std::vector<std::string>;

/// FROM, COPY . . and RUN npm ci, as one build did them.
struct Seen {
    Lines copy_causes = {"files of the source changed", "changed /a (content)"};
    Lines run_causes = {"the result of the step before it changed"};
    std::string run_result = "same";
    std::string run = "RUN npm ci";
};

BuildRecord build(const Seen& seen) {
    const auto done = [](std::string name, std::string place, Lines causes) {
        RecordedStep step{std::move(name), std::move(place), true, StepOutcome::done, 0, 3, std::move(causes)};
        step.stage = "stage-0";
        return step;
    };
    BuildRecord record;
    record.context = "/src";
    record.steps = {done("[1/3] FROM node", "Buildfile:1", {}), done("[2/3] COPY . .", "Buildfile:2", seen.copy_causes),
                    done("[3/3] " + seen.run, "Buildfile:3", seen.run_causes)};
    record.steps[0].outcome = StepOutcome::cached;
    record.steps[1].inputs = {0};
    record.steps[2].inputs = {1};
    record.steps[2].result = seen.run_result;
    return record;
}

Lines texts(const std::vector<BuildRecord>& records) {
    Lines lines;
    for (const OrderHint& hint : order_hints(records)) lines.push_back(hint.place + ": " + hint.text);
    return lines;
}

const Lines npm_hint{
    "Buildfile:3: COPY . . before RUN npm ci changed 2 times, its output never, 6.0s in all: put RUN npm ci above it, "
    "behind a COPY of the files that it reads"};

}  // namespace

TEST_CASE("a step that is done again for files that its output does not show should stand above them") {
    CHECK(texts({build({}), build({})}) == npm_hint);
}

TEST_CASE("once is no pattern, and an output that changed is a reason") {
    CHECK(texts({build({})}).empty());
    CHECK(texts({build({}), build({.run_result = "other"})}).empty());
    CHECK(texts({build({}), build({.run_result = ""})}).empty());
    CHECK(texts({}).empty());
}

TEST_CASE("a step that leaves no files is a test, and has to stand behind what it tests") {
    const Seen test{.run_result = layerstore::TreeDelta().id().value.hex()};
    CHECK(texts({build(test), build(test)}).empty());
}

TEST_CASE("what changed for another reason is not the order's fault") {
    CHECK(texts({build({.copy_causes = {"the sources changed"}}), build({})}).empty());
    CHECK(texts({build({.run_causes = {"the command changed"}}), build({})}).empty());
    CHECK(texts({build({.run_causes = {"user changed", "the result of the step before it changed"}}), build({})})
              .empty());
}

TEST_CASE("a variable that changes without effect should be set below") {
    const Seen argument{.run_causes = {"build argument VERSION changed"}};
    CHECK(texts({build(argument), build(argument), build(argument)}) ==
          Lines{"Buildfile:3: build argument VERSION changed 3 times, the output of RUN npm ci never, 9.0s in all: "
                "declare its ARG below it"});
    const Seen variable{.run_causes = {"environment MODE changed"}};
    CHECK(texts({build(variable), build(variable)}) ==
          Lines{"Buildfile:3: environment MODE changed 2 times, the output of RUN npm ci never, 6.0s in all: set it "
                "below it"});
}

TEST_CASE("nothing is said of a step that the Buildfile has no longer, or of two contexts together") {
    CHECK(texts({build({.run = "RUN yarn"}), build({}), build({})}).empty());
    BuildRecord other = build({});
    other.context = "/other";
    CHECK(texts({build({}), other}).empty());
    CHECK(texts({build({}), other, build({})}) == npm_hint);
}
