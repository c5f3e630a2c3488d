// SPDX-License-Identifier: Apache-2.0
#include "cli/builds/summary.h"

#include <doctest/doctest.h>

using namespace imgbuild;
using namespace imgbuild::cli;

namespace {

RecordedStep step(std::string name, StepOutcome outcome, double duration, std::vector<std::size_t> inputs = {}) {
    RecordedStep made;
    made.name = std::move(name);
    made.is_step = made.name.starts_with('[');
    made.outcome = outcome;
    made.duration = duration;
    made.inputs = std::move(inputs);
    return made;
}

}  // namespace

TEST_CASE("a summary says what was found, what was saved, what was slow and what nothing could make shorter") {
    BuildRecord record;
    record.steps = {step("context", StepOutcome::done, 0.3),
                    step("[build 1/3] FROM busybox", StepOutcome::cached, 0),
                    step("[build 2/3] RUN one", StepOutcome::cached, 0, {1}),
                    step("[build 3/3] RUN make", StepOutcome::done, 2, {2, 0}),
                    step("[docs 1/1] RUN " + std::string(50, 'x'), StepOutcome::done, 0.5, {1}),
                    step("[docs 2/1] RUN true", StepOutcome::done, 0.01, {1})};
    record.steps[2].cost = 61;
    record.steps[3].place = "Buildfile:4";
    CHECK(summary_of(record) == "5 steps: 2 cached (61.0s saved), 3 done; slowest: RUN make 2.0s (Buildfile:4), RUN " +
                                    std::string(36, 'x') + "… 0.5s, context 0.3s; critical path 2.3s");
    CHECK(critical_path(record).steps == std::vector<std::size_t>{0, 3});
}

TEST_CASE("a build that found everything says no more") {
    BuildRecord record;
    record.steps = {step("[1/1] FROM busybox", StepOutcome::cached, 0)};
    CHECK(summary_of(record) == "1 step, all cached");
    record.steps.push_back(step("[2/2] RUN make", StepOutcome::cached, 0, {0}));
    record.steps.back().cost = 3;
    CHECK(summary_of(record) == "2 steps, all cached (3.0s saved)");
    CHECK(critical_path(BuildRecord()).steps.empty());
}
