// SPDX-License-Identifier: Apache-2.0
#include "cli/progress/tty.h"

#include <doctest/doctest.h>

#include "cli/progress/sample_plan.h"

namespace imgbuild::cli {
namespace {

using namespace std::chrono_literals;

struct Scene {
    builder::BuildPlan plan = test::sample_plan();
    test::Stage stage;
    TtyProgress::Size size{41, 24};
    TtyProgress progress{{[this](std::string_view text) { stage.written += text; }, [this] { return stage.now; },
                          [this] { return size; }},
                         false};

    Scene() { progress.plan_known(plan); }
};

TEST_CASE("what runs stands in a block with its time and its last lines") {
    Scene scene;
    scene.progress.started(1);
    CHECK(scene.stage.take() ==
          "\x1b[J"
          "building: 0 of 2 steps              0.0s\n"
          "\x1b[34m > [compile 1/2] RUN make           0.0s\x1b[0m\n");
    scene.stage.pass(1500);
    scene.progress.output(1, "1\n2\n3\n4\n5\n6\n\x1b[31m7\x1b[0m\n");
    CHECK(scene.stage.take() == "");
    scene.progress.redraw();
    CHECK(scene.stage.take() ==
          "\x1b[2A\r\x1b[J"
          "building: 0 of 2 steps              1.5s\n"
          "\x1b[34m > [compile 1/2] RUN make           1.5s\x1b[0m\n"
          "\x1b[2m   2\x1b[0m\n\x1b[2m   3\x1b[0m\n\x1b[2m   4\x1b[0m\n\x1b[2m   5\x1b[0m\n\x1b[2m   6\x1b[0m\n"
          "\x1b[2m   7\x1b[0m\n");
}

TEST_CASE("what has ended scrolls above the block and stays") {
    Scene scene;
    scene.progress.started(1);
    scene.stage.take();
    scene.progress.finished(1, 1200ms, "");
    CHECK(scene.stage.take() == "\x1b[2A\r\x1b[J DONE [compile 1/2] RUN make        1.2s\n");
    scene.progress.cached(2);
    CHECK(scene.stage.take() == "\x1b[J CACHED [stage-1 2/2] COPY --from=compil\n");
    scene.progress.finish();
    CHECK(scene.stage.take() == "");
}

TEST_CASE("a failed step is red, and so is one whose layers failed") {
    Scene scene;
    scene.progress.failed(1, {});
    CHECK(scene.stage.take().find("\x1b[31m ERROR [compile 1/2] RUN make") != std::string::npos);
    scene.progress.layers_failed(1);
    CHECK(scene.stage.take().find("\x1b[31m ERROR in the layers of [compile") != std::string::npos);
}

TEST_CASE("no line is wider than the terminal and no block higher") {
    Scene scene;
    scene.size = {30, 6};
    for (int i = 0; i < 12; ++i) scene.plan.nodes.push_back(test::step("RUN " + std::string(60, 'x'), "s", 1));
    for (builder::NodeId node = 1; node < scene.plan.nodes.size(); ++node) scene.progress.started(node);
    scene.progress.output(1, std::string(100, 'y') + "\n\t\xc3\xa4\n");
    scene.stage.take();
    scene.progress.redraw();
    std::string picture = scene.stage.take();
    std::size_t lines = 0;
    for (std::size_t at = picture.find("\x1b[J") + 3; at < picture.size(); ++lines) {
        const std::size_t end = picture.find('\n', at);
        std::string line = picture.substr(at, end - at);
        for (const char* colour : {"\x1b[34m", "\x1b[2m", "\x1b[0m"})
            if (const std::size_t place = line.find(colour); place != std::string::npos)
                line.erase(place, std::string_view(colour).size());
        CHECK(line.size() <= 29);
        at = end + 1;
    }
    CHECK(lines == 5);
}

TEST_CASE("causes scroll by below the step that they are of, where they are asked for") {
    Scene scene;
    scene.progress.started(1);
    scene.progress.explained(1, {"the command changed"});
    scene.progress.finished(1, 1200ms, "");
    CHECK(scene.stage.take().find("because") == std::string::npos);

    TtyProgress explaining({[&](std::string_view text) { scene.stage.written += text; },
                            [&] { return scene.stage.now; }, [&] { return scene.size; }},
                           false, true);
    explaining.plan_known(scene.plan);
    explaining.started(1);
    explaining.explained(1, {"the command changed", "environment A\nB is new and has a long name"});
    scene.stage.take();
    explaining.finished(1, 1200ms, "");
    CHECK(scene.stage.take() ==
          "\x1b[2A\r\x1b[J DONE [compile 1/2] RUN make        1.2s\n"
          "\x1b[2m   because: the command changed\x1b[0m\n"
          "\x1b[2m   because: environment A\\nB is new and \x1b[0m\n");
}

TEST_CASE("finishing takes the block away, once") {
    Scene scene;
    scene.progress.started(1);
    scene.stage.take();
    scene.progress.finish();
    CHECK(scene.stage.take() == "\x1b[2A\r\x1b[J");
    scene.progress.finish();
    CHECK(scene.stage.take() == "");
}

}  // namespace
}  // namespace imgbuild::cli
