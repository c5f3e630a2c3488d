// SPDX-License-Identifier: Apache-2.0
#include "parser/source/diagnostic.h"

#include <doctest/doctest.h>

#include <string>

#include "parser/source/path_text.h"
#include "parser/source/utf8.h"

using namespace imgbuild::parser;

TEST_CASE("lines count from one and end with their newline") {
    const Source source("Buildfile", "one\r\ntwo\n\nfour");
    CHECK(source.line_count() == 4);
    CHECK(source.line(1) == "one");
    CHECK(source.line(3) == "");
    CHECK(source.line(4) == "four");
    CHECK(source.line_span(2) == Span{5, 9});
    CHECK(source.position(0) == Position{1, 1});
    CHECK(source.position(6) == Position{2, 2});
    CHECK(source.position(10) == Position{4, 1});
    CHECK(source.position(14) == Position{4, 5});
    CHECK(source.position(99) == Position{4, 5});
    CHECK(Source("x", "").line_count() == 1);
    CHECK(Source("x", "a\n").line_count() == 1);
    CHECK(Source("x", "äöü x").position(7) == Position{1, 5});
}

TEST_CASE("a diagnostic shows its line, marks its place and says what to do") {
    const Source source("Buildfile", "FROM scratch\nRUNN true\n");
    CHECK(render(make_error({13, 17}, "unknown instruction: RUNN", "did you mean RUN?"), source) ==
          "Buildfile:2:1: error: unknown instruction: RUNN\n"
          "  2 | RUNN true\n"
          "    | ^^^^\n"
          "    = did you mean RUN?\n");
    CHECK(render({.severity = Severity::warning,
                  .rule = "SomeRule",
                  .message = "odd",
                  .span = {18, 22},
                  .url = "https://x/"},
                 source) ==
          "Buildfile:2:6: warning: odd [SomeRule]\n"
          "  2 | RUNN true\n"
          "    |      ^^^^\n"
          "    = see https://x/\n");
}

TEST_CASE("a place between two characters has one mark, and one over several lines ends with its first") {
    const Source source("B", "FROM a\nRUN b\n");
    CHECK(render(make_error({6, 6}, "x"), source) == "B:1:7: error: x\n  1 | FROM a\n    |       ^\n");
    CHECK(render(make_error({0, 12}, "x"), source) == "B:1:1: error: x\n  1 | FROM a\n    | ^^^^^^\n");
    CHECK(render(make_error({}, "x"), Source("B", "")) == "B:1:1: error: x\n  1 | \n    | ^\n");
}

TEST_CASE("nothing in a file or its name can drive a terminal, and marks stay below what they mark") {
    const Source source("B\x1b[m", "\tA\x1b[31mB C\n");
    const std::string shown = render(make_error({7, 8}, "bad \x1b thing"), source);
    CHECK(shown.find('\x1b') == std::string::npos);
    const std::size_t line = shown.find("\n  1 | ") + 7;
    const std::size_t marks = shown.find("\n    | ") + 7;
    CHECK(shown[line + (shown.find('^') - marks)] == 'B');
}

TEST_CASE("a long line is cut around the marked place") {
    const Source source("B", std::string(5000, 'a') + "XY" + std::string(5000, 'b'));
    const std::string shown = render(make_error({5000, 5002}, "x"), source);
    CHECK(shown.size() < 400);
    CHECK(shown.find("aXYb") != std::string::npos);
    CHECK(shown.find("  1 | …aaa") != std::string::npos);
    CHECK(shown.find("bbb…\n") != std::string::npos);
    CHECK(render(make_error({0, 9000}, "x"), source).size() < 400);
}

TEST_CASE("diagnostics are sorted by place, and a flood of them is only counted") {
    const Source source("B", "abc\ndef\n");
    Diagnostics found;
    CHECK_FALSE(found.has_errors());
    found.error({4, 5}, "second");
    found.add({.severity = Severity::warning, .message = "third", .span = {4, 6}});
    found.error({0, 1}, "first");
    found.sort_by_place();
    CHECK(found[0].message == "first");
    CHECK(found[1].message == "second");
    CHECK(found[2].message == "third");
    CHECK(found.error_count() == 2);
    CHECK(location(found[1].span, source) == "B:2:1");

    Diagnostics flood;
    for (int i = 0; i < 1500; ++i) flood.error({0, 1}, "x");
    CHECK(flood.size() == Diagnostics::max_kept);
    CHECK(flood.error_count() == 1500);
    CHECK(flood.render(source).ends_with("\n500 more not shown\n"));
    Diagnostics sum;
    sum.append(flood);
    CHECK(sum.error_count() == 1500);
    CHECK(sum.omitted() == 500);
}

TEST_CASE("UTF-8 is told from other bytes, and other bytes survive") {
    CHECK(find_invalid_utf8("aé😀") == std::nullopt);
    CHECK(find_invalid_utf8("ab\xFF") == 2);
    CHECK(find_invalid_utf8("\xC0\x80") == 0);
    CHECK(find_invalid_utf8("\xED\xA0\x80") == 0);
    CHECK(find_invalid_utf8("\xF4\x90\x80\x80") == 0);
    CHECK(find_invalid_utf8("x\xE2\x82") == 1);
    const std::string odd = "a\xFFé\xC3\xF0\x9F😀";
    CHECK(encode_utf8(decode_utf8(odd)) == odd);
}

TEST_CASE("a written path is cleaned without asking the file system") {
    CHECK(clean_path("/a/../../b/") == "/b");
    CHECK(clean_path("a//b/./c/") == "a/b/c");
    CHECK(clean_path("../a") == "../a");
    CHECK(clean_path("a/..") == "");
    CHECK(clean_path("/..") == "/");
    CHECK(clean_path("") == "");
}
