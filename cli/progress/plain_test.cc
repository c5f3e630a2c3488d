// SPDX-License-Identifier: Apache-2.0
#include "cli/progress/plain.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "cli/progress/sample_plan.h"

namespace imgbuild::cli {
namespace {

using namespace std::chrono_literals;

struct Scene {
    builder::BuildPlan plan = test::sample_plan();
    test::Stage stage;
    PlainProgress progress{[this](std::string_view text) { stage.written += text; }, [this] { return stage.now; },
                           true};

    Scene() { progress.plan_known(plan); }
};

TEST_CASE("a step is a block: its name, its output with times, and its end") {
    Scene scene;
    scene.stage.pass(5000);
    scene.progress.started(1);
    scene.stage.pass(123);
    scene.progress.output(1, "one\ntw");
    scene.stage.pass(1000);
    scene.progress.output(1, "o\nrest");
    scene.progress.finished(1, 1234ms, "3 files");
    CHECK(scene.stage.take() ==
          "#1 [compile 1/2] RUN make\n"
          "#1 0.123 one\n"
          "#1 1.123 two\n"
          "#1 1.123 rest\n"
          "#1 3 files\n"
          "#1 DONE 1.2s\n\n");
}

TEST_CASE("causes stand below a step's name where they are asked for, and nowhere else") {
    Scene scene;
    scene.progress.started(1);
    scene.progress.explained(1, {"the command changed", "environment A\nB changed"});
    scene.progress.finished(1, 1s, "");
    CHECK(scene.stage.take() ==
          "#1 [compile 1/2] RUN make\n"
          "#1 because: the command changed\n"
          "#1 because: environment A\\nB changed\n"
          "#1 DONE 1.0s\n\n");

    std::string written;
    PlainProgress silent([&](std::string_view text) { written += text; }, [] { return 0ns; }, false);
    silent.plan_known(scene.plan);
    silent.explained(1, {"the command changed"});
    CHECK(written.empty());
}

TEST_CASE("a cached step says so, and what is no step is only done") {
    Scene scene;
    scene.progress.cached(0);
    scene.progress.cached(2);
    CHECK(scene.stage.take() ==
          "#1 load build context\n#1 DONE 0.0s\n\n"
          "#2 [stage-1 2/2] COPY --from=compile /a /a\n#2 CACHED\n\n");
}

TEST_CASE("a layer that fails behind its back does not take back that the step was done") {
    Scene scene;
    scene.progress.started(1);
    scene.progress.finished(1, 1s, "");
    scene.stage.take();
    scene.progress.layers_failed(1);
    CHECK(scene.stage.take() == "#1 [compile 1/2] RUN make\n#1 ERROR in its layers\n\n");
}

TEST_CASE("a failed step keeps its number and its last half line") {
    Scene scene;
    scene.progress.started(1);
    scene.progress.output(1, "gone wrong");
    scene.progress.failed(1, {"exit status 2", std::nullopt, ""});
    CHECK(scene.stage.take() == "#1 [compile 1/2] RUN make\n#1 0.000 gone wrong\n#1 ERROR: exit status 2\n\n");
}

TEST_CASE("steps that run side by side take turns, each with its name") {
    Scene scene;
    scene.progress.started(1);
    scene.progress.started(2);
    scene.progress.output(1, "half a line");
    scene.progress.output(1, " and its end\n");
    CHECK(scene.stage.take() ==
          "#1 [compile 1/2] RUN make\n"
          "#1 ...\n\n"
          "#2 [stage-1 2/2] COPY --from=compile /a /a\n"
          "#2 ...\n\n"
          "#1 [compile 1/2] RUN make\n"
          "#1 0.000 half a line and its end\n");
}

TEST_CASE("what one event says is one write, and is not kept back") {
    builder::BuildPlan plan = test::sample_plan();
    std::vector<std::string> writes;
    PlainProgress progress([&](std::string_view text) { writes.emplace_back(text); },
                           [] { return std::chrono::nanoseconds(0); }, false);
    progress.plan_known(plan);
    progress.started(1);
    progress.output(1, "one\ntwo\nthree\nhalf");
    progress.output(1, " a line");
    progress.finished(1, 1s, "");
    CHECK(writes == std::vector<std::string>{"#1 [compile 1/2] RUN make\n",
                                             "#1 0.000 one\n#1 0.000 two\n#1 0.000 three\n",
                                             "#1 0.000 half a line\n#1 DONE 1.0s\n\n"});
}

TEST_CASE("one stage needs no name") {
    Scene scene;
    scene.plan.nodes.pop_back();
    scene.progress.started(1);
    CHECK(scene.stage.take() == "#1 [1/2] RUN make\n");
}

TEST_CASE("what a command prints drives no terminal") {
    Scene scene;
    scene.progress.started(1);
    scene.stage.take();
    scene.progress.output(1, "\x1b[31mred\x1b[0m\tand \x1b[2J\a\n");
    CHECK(scene.stage.take() == "#1 0.000 red\tand \\x07\n");
}

TEST_CASE("a warning is a line of its own") {
    Scene scene;
    scene.progress.warning("a weaker sandbox\n");
    CHECK(scene.stage.take() == "warning: a weaker sandbox\\n\n");
}

}  // namespace
}  // namespace imgbuild::cli
