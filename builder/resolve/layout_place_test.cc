// SPDX-License-Identifier: Apache-2.0
#include "builder/resolve/detail/layout_place.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "base/digest.h"
#include "base/temporary_directory.h"

using namespace imgbuild;
using builder::detail::read_layout_place;

namespace {

std::string text_of(const std::string& text) {
    const auto place = read_layout_place(text);
    return place.path + " " + place.selector;
}

}  // namespace

TEST_CASE("layout place: a tag or a digest stands behind the path") {
    const std::string digest = "@" + Sha256::of("a").text();
    CHECK(text_of("/no/such") == "/no/such ");
    CHECK(text_of("/no/such:1.0") == "/no/such 1.0");
    CHECK(text_of("/no/such" + digest) == "/no/such " + digest);
    CHECK(text_of("/no/such:1.0" + digest) == "/no/such " + digest);
    CHECK(text_of("/no/s:u/ch") == "/no/s:u/ch ");
    CHECK(text_of("/no/such@home") == "/no/such@home ");
}

TEST_CASE("layout place: a directory that is there is the path, whatever it is called") {
    const TemporaryDirectory scratch = TemporaryDirectory::create();
    const std::string digest = "@" + Sha256::of("a").text();
    const std::string tagged = scratch.path() + "/app:1";
    std::filesystem::create_directory(tagged);
    CHECK(text_of(tagged) == tagged + " ");
    CHECK(text_of(tagged + ":2") == tagged + " 2");
    CHECK(text_of(tagged + digest) == tagged + " " + digest);
    const std::string pinned = scratch.path() + "/app" + digest;
    std::filesystem::create_directory(pinned);
    CHECK(text_of(pinned) == pinned + " ");
}
