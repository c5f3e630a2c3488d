// SPDX-License-Identifier: Apache-2.0
#include "parser/buildfile/buildfile.h"

#include "parser/buildfile/checks.h"

#include <doctest/doctest.h>

#include <string>

using namespace imgbuild::parser;

namespace {

/// `text` as often as `count` says.
std::string repeated(std::string_view text, std::size_t count) {
    std::string out;
    out.reserve(text.size() * count);
    while (count-- > 0) out += text;
    return out;
}

ParseResult parse(const std::string& text) { return parse_buildfile(Source("Buildfile", text)); }

}  // namespace

// These end at all only because nothing costs the square of the file: each would outlast the test's time if it did.

TEST_CASE("ten thousand lines are read line by line") {
    const std::string text = "FROM scratch\n" + repeated("# c\nLABEL a=${b:-c} \\\n  d=\"e f\"\nRUN x\n", 2500);
    const Source source("Buildfile", text);
    const ParseResult result = parse_buildfile(source);
    REQUIRE(result.ok());
    CHECK(source.line_count() == 10'001);
    CHECK(result.buildfile.stages[0].instructions.size() == 5000);
    CHECK(print(result.tree, source) == text);
}

TEST_CASE("a megabyte of nested braces is one fault of its line, in one line or continued") {
    const std::string opened = repeated("${a:-", 200'000);
    const ParseResult whole = parse("FROM scratch\nLABEL a=" + opened + "\n");
    REQUIRE(whole.diagnostics.error_count() == 2);
    CHECK(whole.diagnostics[0].message == "dockerfile line greater than max allowed size of 65535");
    CHECK(whole.diagnostics[1].message.ends_with("more than 100 nested ${"));

    const ParseResult continued = parse("FROM scratch\nLABEL a=" + repeated("${a:-\\\n", 140'000) + "x\n");
    REQUIRE(continued.diagnostics.error_count() == 1);
    CHECK(continued.diagnostics[0].message.ends_with("more than 100 nested ${"));
}

TEST_CASE("what a line holds twenty thousand times is looked at once each") {
    constexpr std::size_t many = 20'000;
    CHECK(parse("FROM scratch\nRUN " + repeated("--x=1 \\\n", many) + "--mount=type=ssh true\n")
              .diagnostics.error_count() == many);
    CHECK(parse("FROM scratch\nCOPY " + repeated("<<E \\\n", many) + "/d/\n" + repeated("E\n", many)).ok());
    CHECK(parse("FROM scratch\nENV " + repeated("a=$b \\\n", many) + "\n").ok());
    CHECK(parse("FROM scratch\nCMD [" + repeated("\"a\", \\\n", many) + "\"a\"]\n").ok());
    CHECK(parse(repeated("FROM scratch\n", many)).buildfile.stages.size() == many);
    CHECK(parse("FROM scratch\n" + repeated("#\n", many) + repeated("\n", many) + "RUN x\n").ok());
    CHECK(parse("FROM scratch\n" + repeated("RUN <<E\nE\n", many)).ok());
}

TEST_CASE("checks of a file with twenty thousand faults end") {
    constexpr std::size_t many = 20'000;
    std::string text = "FROM scratch\n";
    for (std::size_t i = 0; i < 500; ++i) text += "ARG a" + std::to_string(i) + "\n";
    const ParseResult result = parse(text + repeated("USER $nothing\n", many));
    REQUIRE(result.ok());
    const Diagnostics warnings = check_buildfile(result.buildfile, {});
    CHECK(warnings.size() == Diagnostics::max_kept);
    CHECK(warnings.omitted() == many - Diagnostics::max_kept);
}

TEST_CASE("a message that quotes noise is cut") {
    const ParseResult result = parse("FROM scratch\n" + std::string(60'000, 'x') + " y\n");
    REQUIRE(result.diagnostics.size() == 1);
    CHECK(result.diagnostics[0].message.size() < Diagnostics::max_message_bytes + 4);
    CHECK(result.diagnostics[0].message.ends_with("x…"));
}

TEST_CASE("a rule of the experimental ones is silent unless asked for, and can be skipped then") {
    Diagnostics wrong;
    const auto speaks = [&](const char* options) {
        const ParseResult result = parse("# wrong\n#\n# other\nFROM scratch AS base\n");
        return !check_buildfile(result.buildfile, parse_check_options(options, {}, wrong)).empty();
    };
    CHECK_FALSE(speaks("error=false"));
    CHECK(speaks("experimental=all"));
    CHECK(speaks("experimental=InvalidDefinitionDescription"));
    CHECK(speaks("experimental=all;skip=all"));
    CHECK_FALSE(speaks("experimental=all;skip=InvalidDefinitionDescription"));
    CHECK(wrong.empty());
}

TEST_CASE("a trigger of a base image is read as a line of its own and stands at the FROM that brought it") {
    const TriggerResult good = parse_trigger("COPY --from=x <<E /d/\na\nE", {3, 9});
    REQUIRE(good.instruction);
    CHECK(std::get<Copy>(good.instruction->body).heredocs[0].body == "a\n");
    for (const char* refused :
         {"", " ", "FROM x", "onbuild RUN x", "MAINTAINER x", "RNU x", "COPY a", "COPY <<E /x\na"}) {
        CAPTURE(refused);
        const TriggerResult result = parse_trigger(refused, {3, 9});
        CHECK_FALSE(result.instruction);
        REQUIRE(result.diagnostics.size() == 1);
        CHECK(result.diagnostics[0].span == Span{3, 9});
        CHECK(result.diagnostics[0].message.starts_with("ONBUILD trigger \""));
    }
}

TEST_CASE("the description of a name is the rest of the first comment line that begins with it") {
    const Source source(
        "Buildfile",
        "# about nothing\n# a  first\n# ab of another\n# a second\nARG a ab ac\n# a is gone\n#\nFROM x AS a\n");
    const ParseResult parsed = parse_buildfile(source);
    const Instruction& arg = parsed.buildfile.global_args.at(0);
    CHECK(description_of(arg, "a") == " first");
    CHECK(description_of(arg, "ab") == "of another");
    CHECK(description_of(arg, "ac").empty());
    CHECK(description_of(parsed.buildfile.stages.at(0).declaration, "a").empty());
}
