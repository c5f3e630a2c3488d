// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/commands.h"

#include <doctest/doctest.h>

#include <set>

#include "base/test_support.h"

namespace imgbuild::cli {
namespace {

std::string refused(const std::vector<std::string>& arguments) {
    return test::refusal([&] { run_command_line(arguments); });
}

TEST_CASE("every command has one name, which finds it, as does its alias") {
    std::set<std::string_view> words;
    for (const Command& command : commands()) {
        CHECK(words.insert(command.name).second);
        CHECK(find_command(command.name) == &command);
        if (command.alias.empty()) continue;
        CHECK(words.insert(command.alias).second);
        CHECK(find_command(command.alias) == &command);
    }
    CHECK(find_command("") == nullptr);
    CHECK(find_command("nothing") == nullptr);
}

TEST_CASE("an unknown command is refused with the nearest one") {
    try {
        run_command_line(std::vector<std::string>{"imges"});
        FAIL("accepted");
    } catch (const Error& error) {
        CHECK(error.message() == "unknown command or missing context: imges");
        CHECK(error.hint() == "did you mean images?");
    }
    CHECK(refused({"help", "build", "more"}) == "usage: one argument too many: more");
    CHECK(refused({"--version", "more"}) == "usage: one argument too many: more");
    CHECK(refused({"help", "nothing-of-ours"}) == "usage: unknown command or missing context: nothing-of-ours");
}

TEST_CASE("what is no command is a build") {
    CHECK(refused({"--no-such-flag", "."}) == "usage: unknown flag: --no-such-flag");
    CHECK(refused({"-q"}) == "usage: build: CONTEXT is missing");
    CHECK(refused({"/nowhere", "too", "much"}) == "usage: build: one argument too many: too");
}

TEST_CASE("options of the program may stand before the command") {
    CHECK(refused({"--store", "/x", "--debug", "tag"}) == "usage: tag: SOURCE is missing");
    CHECK(refused({"--store=/x", "--root-mode=auto", "inspect"}) == "usage: inspect: NAME is missing");
    CHECK(refused({"--store", "/x"}) == "usage: no command");
    CHECK(refused({"--store", "/x", "--jobs=0", "."}) == "usage: --jobs: 0: expected a number from 1 on");
}

}  // namespace
}  // namespace imgbuild::cli
