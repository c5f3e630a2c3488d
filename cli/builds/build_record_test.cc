// SPDX-License-Identifier: Apache-2.0
#include "cli/builds/build_record.h"

#include <doctest/doctest.h>

#include "base/json.h"
#include "base/temporary_directory.h"
#include "base/test_support.h"

using namespace imgbuild;
using namespace imgbuild::cli;

namespace {

BuildRecord sample() {
    BuildRecord record;
    record.started = 1'700'000'000'123;
    record.duration = 2.5;
    record.context = ".";
    record.result = "sha256:00";
    record.succeeded = true;
    record.steps = {{"context", "", false, StepOutcome::done, 0, 0.1, {}},
                    {"[1/2] FROM busybox", "Buildfile:1", true, StepOutcome::cached, 0.05, 0, {}},
                    {"[2/2] RUN make", "Buildfile:2", true, StepOutcome::failed, 0.1, 2.4, {"the command changed"}}};
    record.steps[1].deltas = {"aa", "bb"};
    record.steps[1].environment = {"A=b"};
    record.steps[1].user = "builder";
    record.steps[1].directory = "/w";
    record.steps[2].below = 1;
    record.steps[2].error = "exit status 2";
    record.steps[2].end = Json{{"exit_code", 2}, {"cause", "exit"}};
    record.steps[2].log = "/store/logs/a.log";
    record.images = {"sha256:01"};
    record.inputs = RecordedInputs{.flags = {"--label=a=b", "--build-arg=WORD"},
                                   .buildfile_name = "/c/Buildfile",
                                   .buildfile = "FROM busybox\n",
                                   .bases = {{"busybox", "linux/amd64", "sha256:02"}},
                                   .contexts = {{"", "sha256:03"}}};
    return record;
}

}  // namespace

TEST_CASE("a record of a build is read as it was written") {
    const BuildRecord record = BuildRecord::decode(sample().encode());
    CHECK(record.encode() == sample().encode());
    CHECK(record.count_steps() == 2);
    CHECK(record.count_cached() == 1);
    CHECK(record.steps.at(2).place == "Buildfile:2");
    CHECK(record.steps.at(2).causes == std::vector<std::string>{"the command changed"});
    CHECK(record.steps.at(2).outcome == StepOutcome::failed);
    CHECK(record.steps.at(2).below == 1);
    CHECK(record.steps.at(2).end.at("exit_code") == 2);
    CHECK(record.steps.at(1).deltas == std::vector<std::string>{"aa", "bb"});
    CHECK(record.steps.at(1).environment == std::vector<std::string>{"A=b"});
    CHECK_FALSE(record.steps.at(2).environment);
    CHECK(record.images == std::vector<std::string>{"sha256:01"});
    CHECK(record.inputs == sample().inputs);
    CHECK(test::refusal([] { BuildRecord::decode("{}"); }) == "invalid_input: build record: version: missing");
}

TEST_CASE("what a step stands on and came to is read as it was written, and nothing stands on what comes later") {
    BuildRecord record = sample();
    record.steps[2].inputs = {0, 1};
    record.steps[2].stage = "build";
    record.steps[2].result = "abc";
    record.steps[2].cost = 2.5;
    const BuildRecord read = BuildRecord::decode(record.encode());
    CHECK(read.steps.at(2).inputs == std::vector<std::size_t>{0, 1});
    CHECK(read.steps.at(2).stage == "build");
    CHECK(read.steps.at(2).result == "abc");
    CHECK(read.steps.at(2).cost == 2.5);
    record.steps[1].inputs = {1, 2};
    CHECK(BuildRecord::decode(record.encode()).steps.at(1).inputs.empty());
}

TEST_CASE("work that overlaps lies in several rows of a trace") {
    const Json events = parse_json(sample().trace(), "trace").at("traceEvents");
    CHECK(events.at(0).at("tid") == 1);
    CHECK(events.at(1).at("tid") == 2);
    CHECK(events.at(2).at("tid") == 1);
    CHECK(events.at(2).at("ts") == 100'000);
    CHECK(events.at(2).at("dur") == 2'400'000);
    CHECK(events.at(2).at("args").at("because").at(0) == "the command changed");
}

TEST_CASE("the newest records are kept, damaged ones are passed over") {
    const TemporaryDirectory place = TemporaryDirectory::create();
    const auto store = layerstore::Store::open(place.path() + "/store");
    CHECK(load_records(*store).empty());
    BuildRecord record = sample();
    for (int i = 0; i < 203; ++i) {
        record.started += 1000;
        save_record(*store, record);
    }
    const std::vector<BuildRecord> records = load_records(*store);
    CHECK(records.size() == 200);
    CHECK(records.front().started == record.started);
    const Directory builds = store->subdirectory("builds");
    builds.remove_tree(records.front().id + ".json");
    CHECK(load_records(*store).front().id == records.at(1).id);
}

TEST_CASE("a step is called by its line or by words of it") {
    const RecordedStep step{"[2/2] RUN make all", "Buildfile:12", true, StepOutcome::done, 0, 0, {}};
    CHECK(is_called(step, "12"));
    CHECK(is_called(step, "RUN make"));
    CHECK_FALSE(is_called(step, "2"));
    CHECK_FALSE(is_called(step, "COPY"));
}
