// SPDX-License-Identifier: Apache-2.0
#include "cli/common/option_set.h"

#include <doctest/doctest.h>

#include "base/test_support.h"

namespace imgbuild::cli {
namespace {

struct Given {
    bool quiet = false;
    std::optional<std::string> file, pull, context;
    std::vector<std::string> tags, rest;
    bool wants_help = false;
};

Given read(const std::vector<std::string>& arguments, bool many = false) {
    Given given;
    OptionSet options("build CONTEXT", "Builds");
    options.flag("-q,--quiet", given.quiet, "says little");
    options.value("-f,--file", given.file, "FILE", "the file");
    options.list("-t,--tag", given.tags, "NAME", "a name");
    options.word("--pull", given.pull, "always", "asks");
    options.unsupported("--push", "let skopeo push it");
    options.positional("CONTEXT", given.context);
    if (many) options.positionals("MORE", given.rest);
    given.wants_help = !options.parse(arguments);
    return given;
}

std::string refused(const std::vector<std::string>& arguments) {
    return test::refusal([&] { read(arguments); });
}

TEST_CASE("values stand behind a flag, after an equals sign, or at once behind a letter") {
    CHECK(read({"--file", "a", "."}).file == "a");
    CHECK(read({"--file=a", "."}).file == "a");
    CHECK(read({"-f", "a", "."}).file == "a");
    CHECK(read({"-fa", "."}).file == "a");
    CHECK(read({"-qfa", "."}).quiet);
    CHECK(read({".", "-f", "-"}).file == "-");
}

TEST_CASE("a value may look like a flag, be empty, or hold an equals sign") {
    CHECK(read({"--file", "-q", "."}).file == "-q");
    CHECK(read({"--file=", "."}).file == "");
    CHECK(read({"--file=", "."}).context == ".");
    CHECK(read({"--file", "", "."}).file == "");
    CHECK(read({"--file=a=b=", "."}).file == "a=b=");
    CHECK(read({"--file={}", "."}).file == "{}");
}

TEST_CASE("the last value counts, a list takes one value a flag and keeps their order") {
    CHECK(read({"-f", "a", "-f", "b", "."}).file == "b");
    const Given given = read({"-t", "one", ".", "--tag=[two,three]", "-t", "a,b"});
    CHECK(given.tags == std::vector<std::string>{"one", "[two,three]", "a,b"});
    CHECK(given.context == ".");
}

TEST_CASE("an optional value stands after an equals sign only") {
    CHECK_FALSE(read({"."}).pull);
    const Given given = read({"--pull", "never"});
    CHECK(given.pull == "always");
    CHECK(given.context == "never");
    CHECK(read({"--pull=never", "."}).pull == "never");
    CHECK(read({"--pull=a=b", "."}).pull == "a=b");
}

TEST_CASE("a flag can be told no") {
    CHECK_FALSE(read({"-q", "--quiet=false", "."}).quiet);
    CHECK(read({"--quiet=true", "."}).quiet);
    CHECK(refused({"--quiet=maybe", "."}) == "usage: --quiet: expected true or false");
}

TEST_CASE("a dash alone is a word, and so is everything behind two") {
    CHECK(read({"-"}).context == "-");
    CHECK(read({"--", "--quiet"}).context == "--quiet");
    CHECK_FALSE(read({"--", "--quiet"}).quiet);
    CHECK(read({"a", "--", "-b", "--help"}, true).rest == std::vector<std::string>{"-b", "--help"});
}

TEST_CASE("an unknown flag is refused with the nearest known one") {
    OptionSet options("build CONTEXT", "Builds");
    bool quiet = false;
    options.flag("-q,--quiet", quiet, "says little");
    const std::vector<std::string> arguments{"--quite=1"};
    try {
        options.parse(arguments);
        FAIL("accepted");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::usage);
        CHECK(error.message() == "unknown flag: --quite");
        CHECK(error.hint() == "did you mean --quiet?");
    }
    CHECK(refused({"-z", "."}) == "usage: unknown flag: -z");
    CHECK(refused({"--no-such-flag", "x", "."}) == "usage: unknown flag: --no-such-flag");
}

TEST_CASE("what is missing and what is too much is named") {
    CHECK(refused({}) == "usage: build: CONTEXT is missing");
    CHECK(refused({"a", "b"}) == "usage: build: one argument too many: b");
    CHECK(refused({".", "--file"}) == "usage: --file: needs a value");
    CHECK(test::refusal([] { read({"a"}, true); }) == "usage: build: MORE is missing");
}

TEST_CASE("a flag of other builders is refused with or without a value") {
    CHECK(refused({"--push", "."}) == "usage: --push: not supported");
    CHECK(refused({"--push=true", "."}) == "usage: --push: not supported");
}

TEST_CASE("help is asked for anywhere and needs nothing else") {
    CHECK(read({"--help"}).wants_help);
    CHECK(read({"--unknown", "-h"}).wants_help);
    CHECK_FALSE(read({"."}).wants_help);
}

TEST_CASE("help shows each flag with its value, and none that is not supported") {
    OptionSet options("tag SOURCE", "Names an image");
    std::optional<std::string> value;
    bool flag = false;
    options.value("-f,--file", value, "FILE", "the file");
    options.word("--pull", value, "always", "asks");
    options.flag("--long-flag-without-letter", flag, "long");
    options.unsupported("--push", "no");
    CHECK(options.help() ==
          "Names an image\n\nusage: imgbuild tag SOURCE\n\n"
          "  -h, --help                      this text\n"
          "  -f, --file FILE                 the file\n"
          "      --pull[=always]             asks\n"
          "      --long-flag-without-letter  long\n");
}

}  // namespace
}  // namespace imgbuild::cli
