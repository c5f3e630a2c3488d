// SPDX-License-Identifier: Apache-2.0
#include "cli/progress/rawjson.h"

#include <doctest/doctest.h>

#include "cli/progress/sample_plan.h"

namespace imgbuild::cli {
namespace {

using namespace std::chrono_literals;

TEST_CASE("every event is one line of JSON") {
    const builder::BuildPlan plan = test::sample_plan();
    test::Stage stage;
    RawJsonProgress progress([&](std::string_view text) { stage.written += text; }, [&] { return stage.now; });
    progress.plan_known(plan);
    CHECK(stage.take() == R"({"event":"plan","time":0.0,"nodes":[{"name":"load build context","stage":""},)"
                          R"({"name":"[compile 1/2] RUN make","stage":"compile"},)"
                          R"({"name":"[stage-1 2/2] COPY --from=compile /a /a","stage":"stage-1"}]})"
                          "\n");
    stage.pass(500);
    progress.started(1);
    progress.output(1, std::string_view("a\xff\n\0", 4));
    progress.finished(1, 1500ms, "");
    progress.cached(2);
    progress.failed(0, {"no such file", std::nullopt, ""});
    progress.failed(1, {"failed", builder::RunEnd{{139, 11}, builder::EndCause::itself, {}}, "/store/logs/a.log"});
    progress.layers_failed(1);
    progress.warning("two\nlines");
    CHECK(stage.take() ==
          "{\"event\":\"started\",\"time\":0.5,\"node\":1}\n"
          "{\"event\":\"output\",\"time\":0.5,\"node\":1,\"data\":\"Yf8KAA==\"}\n"
          "{\"event\":\"finished\",\"time\":0.5,\"node\":1,\"duration\":1.5}\n"
          "{\"event\":\"cached\",\"time\":0.5,\"node\":2}\n"
          "{\"event\":\"failed\",\"time\":0.5,\"node\":0,\"error\":\"no such file\"}\n"
          R"({"event":"failed","time":0.5,"node":1,"error":"failed",)"
          R"("end":{"exit_code":139,"signal":11,"cause":"signal"},"log":"/store/logs/a.log"})"
          "\n"
          "{\"event\":\"layers_failed\",\"time\":0.5,\"node\":1}\n"
          "{\"event\":\"warning\",\"time\":0.5,\"text\":\"two\\\\nlines\"}\n");
}

TEST_CASE("bytes of any number survive as base64") {
    const builder::BuildPlan plan = test::sample_plan();
    test::Stage stage;
    RawJsonProgress progress([&](std::string_view text) { stage.written += text; }, [&] { return stage.now; });
    const auto data = [&](std::string_view bytes) {
        progress.output(1, bytes);
        const std::string line = stage.take();
        const std::size_t begin = line.find("\"data\":\"") + 8;
        return line.substr(begin, line.find('"', begin) - begin);
    };
    CHECK(data("") == "");
    CHECK(data("f") == "Zg==");
    CHECK(data("fo") == "Zm8=");
    CHECK(data("foo") == "Zm9v");
    CHECK(data("foobar") == "Zm9vYmFy");
}

}  // namespace
}  // namespace imgbuild::cli
