// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "builder/fetch/short_names.h"

using imgbuild::builder::may_have_meaning;

TEST_CASE("a short name is looked up only where the configuration may give it a meaning of its own") {
    CHECK_FALSE(may_have_meaning({}, "alpine"));
    CHECK_FALSE(may_have_meaning({"# unqualified-search-registries = [\"a.io\"]\n[aliases]\n"}, "alpine"));
    CHECK_FALSE(may_have_meaning({"[aliases]\n  \"alpine\" = \"docker.io/library/alpine\"\n"}, "alpine"));
    CHECK(may_have_meaning({"[aliases]\n\"alpine\" = \"a.io/alpine\"\n"}, "alpine"));
    CHECK(may_have_meaning({"[aliases]\nalpine = 'docker.io/library/alpine'\n"}, "alpine"));
    CHECK(may_have_meaning({"[aliases]\n\"alpine\" = \"docker.io/library/alpine\"\n", "[aliases]\n\"alpine\" = \"\"\n"},
                           "alpine"));
    CHECK(may_have_meaning({"aliases.\"alpine\" = \"a.io/alpine\"\n"}, "alpine"));
    CHECK(may_have_meaning({"aliases = { alpine = \"a.io/alpine\" }\n"}, "alpine"));
    CHECK(may_have_meaning({"[aliases]\n\"\\u0061lpine\" = \"a.io/alpine\"\n"}, "alpine"));
    CHECK_FALSE(may_have_meaning({"[aliases]\n# alpine\n\"alpine-more\" = \"a.io/alpine\"\n"}, "alpine"));
    CHECK(may_have_meaning({"unqualified-search-registries = [\"a.io\"]\n"}, "alpine"));
    CHECK(may_have_meaning({"[registries.search]\nregistries = [\"a.io\"]\n"}, "alpine"));
}
