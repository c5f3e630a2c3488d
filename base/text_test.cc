// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "base/error.h"
#include "base/image_path.h"
#include "base/json.h"
#include "base/side_by_side.h"

using namespace imgbuild;

TEST_CASE("foreign text cannot drive a terminal") {
    CHECK(printable("plain ü €") == "plain ü €");
    CHECK(printable("\x1b[31m\r\n\t") == "\\x1b[31m\\x0d\\n\\t");
    CHECK(printable("\xc2\x9b\xff\xe2\x80\xae") == "\\x9b\\xff\\u202e");
    CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");
}

TEST_CASE("a mistyped word is met with the nearest one, a strange one with nothing") {
    std::vector<std::string> words{"RUN", "ENTRYPOINT", "ENV", "EXPOSE"};
    CHECK(nearest("FNTRYPOINT", words) == "ENTRYPOINT");
    CHECK(nearest("rum", words) == "RUN");
    CHECK(nearest("VNE", words) == std::nullopt);
    CHECK(nearest("rnu", words) == "RUN");
    CHECK(nearest("EXPSOE", words) == "EXPOSE");
    CHECK_FALSE(nearest("x", std::vector<std::string>{"y"}));
    CHECK_FALSE(nearest("SOMETHING", words));
    CHECK_FALSE(nearest("", words));
}

TEST_CASE("a file from a URL has the last part of the path for a name, decoded once, where that is one") {
    CHECK(file_name_of_url_path("/d/a%20b.tgz") == "a b.tgz");
    CHECK(file_name_of_url_path("/d/50%25%2541") == "50%%41");
    CHECK(file_name_of_url_path("/d/100%") == "100%");
    CHECK(file_name_of_url_path("/d/%zz%4") == "%zz%4");
    for (const char* path : {"", "/", "/d/", "/%2e%2E", "/a%2Fb", "/a%00"})
        CHECK(file_name_of_url_path(path) == "__unnamed__");
}

TEST_CASE("sizes, durations and times read like a person writes them") {
    CHECK(human_size(1023) == "1023 B");
    CHECK(human_size(1536) == "1.5 KiB");
    CHECK(human_size(UINT64_C(5) << 30) == "5.0 GiB");
    CHECK(human_duration(std::chrono::milliseconds(430)) == "0.4s");
    CHECK(human_duration(std::chrono::seconds(123)) == "2m03s");
    CHECK(rfc3339(315619200) == "1980-01-02T00:00:00Z");
    CHECK(counted(1, "layer", "layers") == "1 layer");
    CHECK(counted(2, "layer", "layers") == "2 layers");
}

TEST_CASE("CSV fields keep quoted commas and refuse stray quotes") {
    CHECK(split_csv("type=oci,dest=a") == std::vector<std::string>{"type=oci", "dest=a"});
    CHECK(split_csv("type=oci,\"dest=a,\"\"b\"\"\"") == std::vector<std::string>{"type=oci", "dest=a,\"b\""});
    CHECK_THROWS_AS(split_csv("a\"b"), Error);
    CHECK_THROWS_AS(split_csv("\"ab"), Error);
    CHECK_THROWS_AS(split_csv("\"a\"b"), Error);
}

TEST_CASE("numbers are whole, unsigned and in range") {
    CHECK(parse_unsigned("0") == 0u);
    CHECK(parse_unsigned("18446744073709551615") == UINT64_MAX);
    for (std::string_view text : {"", "-1", "+1", "1x", " 1", "18446744073709551616"})
        CHECK_FALSE(parse_unsigned(text));
}

TEST_CASE("an error shows its frames outermost first") {
    auto fail = [] { with_context("step 2", [] { throw_errno("read", "/etc/x", ENOSPC); }); };
    try {
        with_context("build", fail);
        FAIL("nothing was thrown");
    } catch (const Error& error) {
        CHECK(error.full_message() == "build: step 2: read: /etc/x: No space left on device");
        CHECK(error.kind() == ErrorKind::no_space);
        CHECK(error.hint() == "free some space, or run `imgbuild prune`");
    }
}

TEST_CASE("a cleaned path stays below the root") {
    CHECK(ImagePath::clean("a//b/./c/").bytes() == "/a/b/c");
    CHECK(ImagePath::clean("../../etc/../x").bytes() == "/x");
    CHECK(ImagePath::clean("/").is_root());
    CHECK(ImagePath::clean("").absolute() == "/");
    CHECK_THROWS_WITH_AS(ImagePath::clean(std::string_view("a\0b", 3)), "path: a\\x00b: a path cannot hold a NUL byte",
                         Error);
    CHECK_THROWS_AS(ImagePath::clean(std::string(256, 'x')), Error);
}

TEST_CASE("a strict path is refused where a clean one would be bent") {
    CHECK(ImagePath::parse_strict("./a/b/")->bytes() == "/a/b");
    CHECK_FALSE(ImagePath::parse_strict("a/../b"));
    CHECK_FALSE(ImagePath::parse_strict(std::string_view("a\0", 2)));
    CHECK_FALSE(ImagePath::parse_strict(std::string(5000, 'x')));
}

TEST_CASE("a directory's content sorts at once behind it") {
    std::vector<ImagePath> paths;
    for (const char* text : {"/lib-x", "/lib/y", "/lib", "/a"}) paths.push_back(ImagePath::clean(text));
    std::ranges::sort(paths);
    std::string order;
    for (const ImagePath& path : paths) order += path.bytes() + " ";
    CHECK(order == "/a /lib /lib/y /lib-x ");
}

TEST_CASE("paths know their parts and their relations") {
    ImagePath path = ImagePath::clean("/usr/lib/x");
    CHECK(path.name() == "x");
    CHECK(path.parent().bytes() == "/usr/lib");
    CHECK(path.components() == std::vector<std::string_view>{"usr", "lib", "x"});
    CHECK(path.is_below(ImagePath::clean("/usr")));
    CHECK_FALSE(path.is_below(ImagePath::clean("/us")));
    CHECK(path.is_below(ImagePath()));
    CHECK(path.relative_to(ImagePath::clean("/usr")).bytes() == "/lib/x");
    CHECK(ImagePath::clean("/a").join(ImagePath::clean("/b")).bytes() == "/a/b");
    CHECK_THROWS_AS(path.child(".."), Error);
}

TEST_CASE("JSON that two readers could read differently is refused") {
    CHECK(parse_json(R"({"a":[1,"x"]})", "doc")["a"][1] == "x");
    CHECK_THROWS_WITH_AS(parse_json(R"({"a":1,"a":2})", "doc"), "doc: line 1, column 8: the member \"a\" stands twice",
                         Error);
    CHECK_THROWS_WITH_AS(parse_json(R"({"a":1,"\u0061":2})", "doc"),
                         "doc: line 1, column 8: the member \"a\" stands twice", Error);
    CHECK_THROWS_WITH_AS(parse_json("{} x", "doc"), "doc: line 1, column 4: not well-formed JSON", Error);
    CHECK_THROWS_AS(parse_json("[18446744073709551615]", "doc"), Error);
    CHECK_THROWS_AS(parse_json("[\"\xff\"]", "doc"), Error);
    CHECK_THROWS_AS(parse_json("[\"\\ud800\"]", "doc"), Error);
    CHECK_THROWS_WITH_AS(parse_json(std::string(65, '[') + std::string(65, ']'), "doc"),
                         "doc: line 1, column 65: nested deeper than 64", Error);
}

TEST_CASE("JSON is written as the field's tools write it") {
    Json document = {{"z", "<a> & b"}, {"a", 1}};
    CHECK(write_json(document) == R"({"z":"\u003ca\u003e \u0026 b","a":1})");
    CHECK(write_json(Json("\u2028a\u2029\u2030\u20ac&")) == "\"\\u2028a\\u2029\u2030\u20ac\\u0026\"");
    CHECK(write_json_indented(Json{{"a", 1}}) == "{\n  \"a\": 1\n}");
}

TEST_CASE("a member of another type is named with what was expected") {
    Json object = {{"size", "7"}, {"name", nullptr}};
    CHECK_THROWS_WITH_AS(required_integer(object, "size", "manifest"), "manifest: size: expected an integer", Error);
    CHECK_THROWS_WITH_AS(required_string(object, "name", "manifest"), "manifest: name: missing", Error);
    CHECK_FALSE(optional_string(object, "name", "manifest"));
}

TEST_CASE("a pool gives back results and exceptions, and finishes what was queued") {
    int sum = 0;
    {
        TaskPool pool(2);
        std::vector<std::future<int>> results;
        for (int i = 0; i < 100; ++i) results.push_back(pool.submit([i] { return i; }));
        for (auto& result : results) sum += result.get();
        auto failing = pool.submit([]() -> int { throw Error(ErrorKind::internal, "task"); });
        CHECK_THROWS_WITH_AS(failing.get(), "task", Error);
    }
    CHECK(sum == 4950);
}

TEST_CASE("numbers are shared out, each once, by a thread of a busy pool too") {
    TaskPool pool(3);
    std::vector<int> seen(1000);
    auto share = [&] { for_each_index(pool, seen.size(), [&] { return [&](std::size_t i) { ++seen[i]; }; }); };
    share();
    CHECK(std::ranges::count(seen, 1) == 1000);
    TaskPool busy(1);
    busy.submit([&] { for_each_index(busy, seen.size(), [&] { return [&](std::size_t i) { ++seen[i]; }; }); }).get();
    CHECK(std::ranges::count(seen, 2) == 1000);
    for_each_index(pool, 0, []() -> std::function<void(std::size_t)> { throw Error(ErrorKind::internal, "none"); });
}

TEST_CASE("of the numbers that fail the lowest is told, and those far behind it are not begun") {
    TaskPool pool(2);
    std::atomic<std::size_t> begun = 0;
    auto run = [&] {
        for_each_index(pool, 100'000, [&] {
            return [&](std::size_t i) {
                ++begun;
                if (i % 2 == 1) throw Error(ErrorKind::internal, std::to_string(i));
            };
        });
    };
    CHECK_THROWS_WITH_AS(run(), "1", Error);
    CHECK(begun < 100'000);
}
