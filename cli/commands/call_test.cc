// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/call.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/json.h"

using namespace imgbuild;
using namespace imgbuild::cli;

namespace {

class NoImages final : public builder::ImageResolver {
  public:
    std::shared_ptr<const builder::ResolvedImage> resolve(const std::string& reference,
                                                          const layerstore::Platform&) override {
        throw Error(ErrorKind::unavailable, reference);
    }
    std::shared_ptr<const builder::ResolvedImage> resolve_layout(const std::string& place,
                                                                 const layerstore::Platform&) override {
        throw Error(ErrorKind::unavailable, place);
    }
};

constexpr Call json{.method = Call::Method::outline, .json = true, .ignore_status = false};

struct File {
    explicit File(std::string text) : source("Buildfile", std::move(text)), parsed(parser::parse_buildfile(source)) {
        REQUIRE(parsed.ok());
    }
    Outline outline(const std::string& target = "") const {
        NoImages none;
        const builder::PlanResult planned =
            builder::make_plan({.buildfile = parsed.buildfile,
                                .resolver = none,
                                .target = target,
                                .build_args = {{"GIVEN", "yes"}},
                                .contexts = {},
                                .platform = layerstore::Platform::parse("linux/amd64"),
                                .build_platform = layerstore::Platform::parse("linux/amd64"),
                                .labels = {}});
        REQUIRE(planned.plan);
        const auto stage = parser::find_target(parsed.buildfile, target);
        return outline_of(*planned.plan, *std::get<const parser::Stage*>(stage));
    }

    parser::Source source;
    parser::ParseResult parsed;
};

const std::string documented =
    "# VERSION says what is packed\n"
    "ARG VERSION=1\n"
    "# first makes things\n"
    "FROM scratch AS first\n"
    "ARG VERSION\n"
    "ARG GIVEN=no\n"
    "ARG NOTHING\n"
    "RUN --mount=type=secret,id=key-$VERSION,target=/a --mount=type=cache,target=/c true\n"
    "RUN --mount=type=secret,required=true,id=key-1,target=/b --mount=type=ssh true\n"
    "FROM scratch\n"
    "ARG UNRELATED=1\n";

}  // namespace

TEST_CASE("an outline for people has arguments with their values, and what mounts ask for") {
    CHECK(outline_text(File(documented).outline("first"), {}, File(documented).source) ==
          "TARGET: first\n"
          "DESCRIPTION: makes things\n"
          "\n"
          "BUILD ARG  VALUE  DESCRIPTION\n"
          "VERSION    1      says what is packed\n"
          "GIVEN      yes    \n"
          "NOTHING           \n"
          "\n"
          "SECRET  REQUIRED\n"
          "key-1   true\n"
          "\n"
          "SSH      REQUIRED\n"
          "default  \n"
          "\n"
          "CACHE MOUNT\n"
          "/c\n");
}

TEST_CASE("an outline as JSON has the members and places that other tools read") {
    const File file(documented);
    const Json document = parse_json(outline_text(file.outline("first"), json, file.source), "outline");
    CHECK(document["name"] == "first");
    CHECK(document["description"] == "makes things");
    REQUIRE(document["args"].size() == 3);
    CHECK(document["args"][0]["name"] == "VERSION");
    CHECK(document["args"][0]["value"] == "1");
    CHECK(document["args"][0]["location"]["ranges"][0]["start"]["line"] == 5);
    CHECK(document["args"][0]["location"]["ranges"][0]["start"]["character"] == 4);
    CHECK_FALSE(document["args"][2].contains("value"));
    REQUIRE(document["secrets"].size() == 1);
    CHECK(document["secrets"][0]["name"] == "key-1");
    CHECK(document["secrets"][0]["required"] == true);
    CHECK(document["secrets"][0]["location"]["ranges"][0]["start"]["line"] == 8);
    CHECK_FALSE(document["ssh"][0].contains("required"));
    CHECK(document["cache"][0]["ID"] == "/c");
    CHECK(document["sources"].size() == 1);
}

TEST_CASE("an outline has nothing of stages that the target does not need") {
    const Outline outline = File(documented).outline();
    CHECK(outline.name.empty());
    REQUIRE(outline.arguments.size() == 1);
    CHECK(outline.arguments[0].name == "UNRELATED");
    CHECK(outline.secrets.empty());
}

TEST_CASE("the targets are the stages with a name and the last one, with base, platform and description") {
    const File file(
        "FROM scratch AS a\n"
        "FROM busybox:${TAG}\n"
        "# c is the one to ship\n"
        "FROM --platform=$BUILDPLATFORM a AS c\n");
    CHECK(targets_text(file.parsed.buildfile, {}, file.source) ==
          "TARGET       BASE     DESCRIPTION\n"
          "a            scratch  \n"
          "c (default)  a        is the one to ship\n");
    const Json document = parse_json(targets_text(file.parsed.buildfile, json, file.source), "targets");
    REQUIRE(document["targets"].size() == 2);
    CHECK_FALSE(document["targets"][0].contains("default"));
    CHECK_FALSE(document["targets"][0].contains("platform"));
    CHECK(document["targets"][1]["default"] == true);
    CHECK(document["targets"][1]["platform"] == "$BUILDPLATFORM");
    CHECK(document["targets"][1]["location"]["ranges"][0]["start"]["line"] == 4);
}
