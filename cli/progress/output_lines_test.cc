// SPDX-License-Identifier: Apache-2.0
#include "cli/progress/output_lines.h"

#include <doctest/doctest.h>

#include <vector>

namespace imgbuild::cli {
namespace {

std::vector<std::string> lines_of(const std::vector<std::string>& pieces) {
    std::vector<std::string> lines;
    LineCollector collector;
    const auto take = [&](std::string_view line) { lines.emplace_back(line); };
    for (const std::string& piece : pieces) collector.feed(piece, take);
    collector.finish(take);
    return lines;
}

using Lines = std::vector<std::string>;

TEST_CASE("lines are whole wherever the bytes are cut") {
    const std::string text = "one\n\ntwo\r\nthree\rfour\r\r\n\nlast";
    const Lines expected{"one", "", "two", "three", "four", "", "last"};
    CHECK(lines_of({text}) == expected);
    Lines single;
    for (const char c : text) single.emplace_back(1, c);
    CHECK(lines_of(single) == expected);
}

TEST_CASE("a line without an end does not grow without one") {
    const std::string text(LineCollector::max_line * 2 + 5, 'x');
    const Lines lines = lines_of({text});
    REQUIRE(lines.size() == 3);
    CHECK(lines[0].size() == LineCollector::max_line);
    CHECK(lines[2].size() == 5);
}

TEST_CASE("escape sequences go, tabs stay, the rest becomes visible") {
    CHECK(safe_line("plain") == "plain");
    CHECK(safe_line("\x1b[1;31mred\x1b[0m") == "red");
    CHECK(safe_line("a\x1b]0;title\a"
                    "b") == "ab");
    CHECK(safe_line("a\x1b]8;;http://x\x1b\\b") == "ab");
    CHECK(safe_line("a\x1b(Bb") == "ab");
    CHECK(safe_line("a\tb") == "a\tb");
    CHECK(safe_line("a\bb") == "a\\x08b");
}

TEST_CASE("a sequence that never ends takes the rest of the line and no more") {
    CHECK(safe_line("a\x1b") == "a");
    CHECK(safe_line("a\x1b[") == "a");
    CHECK(safe_line("a\x1b[12;") == "a");
    CHECK(safe_line("a\x1b]0;title") == "a");
}

}  // namespace
}  // namespace imgbuild::cli
