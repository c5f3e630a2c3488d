// SPDX-License-Identifier: Apache-2.0
#include "builder/edit/accounts.h"

#include <doctest/doctest.h>

#include "base/test_support.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using imgbuild::test::refusal;

namespace {

const AccountFiles files{
    .passwd =
        "root:x:0:0:root:/root:/bin/sh\n"
        "broken\n"
        "far:x:4294967295:1::/far:\n"
        "web:x:33:34:web,,,:/srv/web:/bin/false\n"
        "web:x:99:99::/second:\n"
        "twin:x:33:50::/twin:\n"
        "bare:x:1000:1000\n"
        "odd:x:1001:1001::relative:",
    .group = "root:x:0:\nweb:x:34:\nstaff:x:50:web,bare\nkeys:x:7:bare,web,web\nlow:x:7:web\nbad:x:-1:web\n",
};

}  // namespace

TEST_CASE("numbers, root and nothing need no files") {
    for (const char* text : {"", "root", "0", "1000", "1000:1000", "root:root", "5:", ":5", "5:root"})
        CHECK_MESSAGE(!needs_account_files(text), text);
    for (const char* text : {"web", "web:1", "1:web", ":web", "1000x", "-1"})
        CHECK_MESSAGE(needs_account_files(text), text);
}

TEST_CASE("an owner is numbers, names or both") {
    CHECK(find_owner("", {}) == Owner{0, 0});
    CHECK(find_owner("root", {}) == Owner{0, 0});
    CHECK(find_owner("1000", {}) == Owner{1000, 1000});
    CHECK(find_owner("1000:5", {}) == Owner{1000, 5});
    CHECK(find_owner("4294967294", {}) == Owner{4294967294, 4294967294});
    CHECK(find_owner("web", files) == Owner{33, 34});
    CHECK(find_owner("web:staff", files) == Owner{33, 50});
    CHECK(find_owner("web:6", files) == Owner{33, 6});
    CHECK(find_owner("6:web", files) == Owner{6, 34});
    // A number is a number, whoever has it.
    CHECK(find_owner("33", files) == Owner{33, 33});
}

TEST_CASE("an empty part of an owner is root") {
    CHECK(find_owner("1000:", {}) == Owner{1000, 0});
    CHECK(find_owner("web:", files) == Owner{33, 0});
    CHECK(find_owner(":7", {}) == Owner{0, 7});
}

TEST_CASE("what is not in the files is named") {
    CHECK(refusal([] { find_owner("nobody", files); }) == "usage: user nobody is not in the image's /etc/passwd");
    CHECK(refusal([] { find_owner("web:nobody", files); }) == "usage: group nobody is not in the image's /etc/group");
    CHECK(refusal([] { find_owner("web", {}); }) == "usage: user web is not in the image's /etc/passwd");
    CHECK(refusal([] { find_owner("far", files); }) == "usage: user far is not in the image's /etc/passwd");
    CHECK(refusal([] { find_owner("1:bad", files); }) == "usage: group bad is not in the image's /etc/group");
    CHECK(refusal([] { find_owner("a\x1b[1m", files); }).find('\x1b') == std::string::npos);
    CHECK(refusal([] { find_owner("4294967295", {}); }) == "usage: invalid id 4294967295");
    CHECK(refusal([] { find_owner("0:99999999999999999999", {}); }) == "usage: invalid id 99999999999999999999");
    try {
        find_owner("weeb", files);
        FAIL("accepted");
    } catch (const Error& error) {
        CHECK(error.hint() == "did you mean web?");
    }
}

TEST_CASE("an account has a home and the groups that name it") {
    CHECK(find_account("web", files) == Account{{33, 34}, {7, 50}, "/srv/web"});
    CHECK(find_account("bare", files) == Account{{1000, 1000}, {7, 50}, "/"});
    CHECK(find_account("twin", files) == Account{{33, 50}, {}, "/twin"});
    CHECK(find_account("odd", files).home == "/");
    CHECK(find_account("", files) == Account{{0, 0}, {}, "/root"});
    CHECK(find_account("root", files) == Account{{0, 0}, {}, "/root"});
    CHECK(find_account("root", {}) == Account{{0, 0}, {}, "/"});
}

TEST_CASE("an account by number takes what its line says, or group 0") {
    CHECK(find_account("33", files) == Account{{33, 34}, {7, 50}, "/srv/web"});
    CHECK(find_account("5", files) == Account{{5, 0}, {}, "/"});
    CHECK(find_account("5", {}) == Account{{5, 0}, {}, "/"});
}

TEST_CASE("an account with a named group has no other groups") {
    CHECK(find_account("web:staff", files) == Account{{33, 50}, {}, "/srv/web"});
    CHECK(find_account("33:1", files) == Account{{33, 1}, {}, "/srv/web"});
    CHECK(find_account("5:1", files) == Account{{5, 1}, {}, "/"});
}
