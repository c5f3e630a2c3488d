// SPDX-License-Identifier: Apache-2.0
#include "parser/buildfile/unused.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace imgbuild::parser;

namespace {

std::vector<std::string> unused(const std::string& text, std::string_view target = "") {
    const Source source("Buildfile", text);
    const ParseResult parsed = parse_buildfile(source);
    REQUIRE(parsed.ok());
    std::vector<std::string> messages;
    for (const Unused& one : find_unused(parsed.buildfile, source, target)) messages.push_back(one.message);
    return messages;
}

using Messages = std::vector<std::string>;

}  // namespace

TEST_CASE("stages that the target does not need are named") {
    const std::string text =
        "FROM scratch AS base\nFROM base AS copied\nFROM base AS mounted\nFROM base AS test\n"
        "FROM base\nCOPY --from=1 a /\nRUN --mount=from=mounted true\n";
    CHECK(unused(text) == Messages{"the target does not need the stage test"});
    CHECK(unused(text, "copied") == Messages{"the target does not need the stage mounted",
                                             "the target does not need the stage test",
                                             "the target does not need the stage stage-4"});
    CHECK(unused("FROM scratch AS files\nFROM scratch AS base\nONBUILD COPY --from=files / /\nFROM base\n").empty());
    CHECK(unused(text, "none").empty());
}

TEST_CASE("an ARG that nothing behind it names is named, unless a program may read it") {
    CHECK(unused("FROM scratch\nARG A\nLABEL a=b\n") == Messages{"nothing uses the ARG A"});
    CHECK(unused("FROM scratch\nLABEL a=$A\nARG A\n") == Messages{"nothing uses the ARG A"});
    CHECK(unused("FROM scratch\nARG A\nLABEL a=$AB b=B_A\n") == Messages{"nothing uses the ARG A"});
    CHECK(unused("FROM scratch\nARG A\nLABEL a=${A:-b}\n").empty());
    CHECK(unused("FROM scratch\nARG A\nRUN true\n").empty());
    CHECK(unused("FROM scratch AS base\nARG A\nFROM base\nRUN true\n").empty());
    CHECK(unused("FROM scratch AS base\nARG A\nFROM base\nLABEL b=$A\n").empty());
}

TEST_CASE("an ARG before the first FROM is used by a FROM, by one behind it, or by a stage that takes it over") {
    CHECK(unused("ARG A=1\nFROM scratch\nLABEL a=$A\n") ==
          Messages{"no FROM uses the ARG A, and no stage takes it over"});
    CHECK(unused("ARG A=1\nARG B=$A\nFROM $B\n").empty());
    CHECK(unused("ARG A=1\nFROM scratch\nARG A\nLABEL a=$A\n").empty());
    CHECK(unused("ARG SOURCE_DATE_EPOCH=1\nARG BUILDKIT_CONTEXT_KEEP_GIT_DIR=1\nFROM scratch\n").empty());
}
