// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "builder/compare/detail/text_classes.h"

namespace imgbuild::builder::detail {
namespace {

// The first thing of a class in a text.
std::string first(std::size_t (*match)(std::string_view, std::size_t), std::string_view text) {
    for (std::size_t at = 0; at < text.size(); ++at)
        if (const std::size_t length = match(text, at)) return std::string(text.substr(at, length));
    return "";
}

TEST_CASE("times are recognised as people and programs write them") {
    for (const char* time :
         {"2026-11-30", "2026-11-30T06:29:27Z", "2026-11-30 06:29:27.123", "2026/11/30 06:29", "20261130062927",
          "20261130", "20261130T062927Z", "06:29:27", "06:29", "1795847367", "1795847367.25", "1795847367123",
          "1795847367123456789", "Mon Nov 30 06:29:27 UTC 2026", "Mon, 30 Nov 2026 06:29:27 +0000", "Nov 30 2026",
          "30 November 2026", "Monday, 30 Nov 2026", "2026-11-30T06:29:27+01:00"})
        CHECK_MESSAGE(first(match_time, "at " + std::string(time) + ".") == time, time);
}

TEST_CASE("what only looks like a time is none") {
    for (const char* text : {"1.2.3", "version 12", "May", "Marching 4", "x20261130", "2026-13-30", "99:99", "12345678",
                             "127.0.0.1:8080", "sha1795847367a"})
        CHECK_MESSAGE(first(match_time, text).empty(), text);
}

TEST_CASE("random names and ids are recognised by their letters") {
    CHECK(first(match_random, "id 5f0c6d3e-8a52-4b1e-9f10-2b7c7d6a1e22!") == "5f0c6d3e-8a52-4b1e-9f10-2b7c7d6a1e22");
    CHECK(first(match_random, "key=9f86d081884c7d65") == "9f86d081884c7d65");
    CHECK(first(match_random, "/tmp/tmp.aB3dE6/x") == "aB3dE6");
    CHECK(first(match_random, "s=Zm9vYmFyYmF6cXV4MTIz+/a==") == "Zm9vYmFyYmF6cXV4MTIz+/a==");
    CHECK(first(match_random, "an ordinary sentence of words").empty());
    CHECK(first(match_random, "deadbeef").empty());
}

TEST_CASE("a path is absolute, and an address of the web is none") {
    CHECK(first(match_path, "in /build/one/a.c:3") == "/build/one/a.c");
    CHECK(first(match_path, "src/a.c").empty());
    CHECK(first(match_path, "http://host").empty());
}

}  // namespace
}  // namespace imgbuild::builder::detail
