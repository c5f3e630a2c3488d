// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/id_maps.h"

#include <doctest/doctest.h>

using namespace imgbuild::builder;

TEST_CASE("an id map is read as the kernel writes it") {
    std::vector<IdRange> expected{{0, 1000, 1}, {1, 100000, 65536}};
    CHECK(parse_id_map("         0       1000          1\n         1     100000      65536\n") == expected);
    CHECK(parse_id_map("").empty());
    CHECK(parse_id_map("0 1\n0 1 x\n").empty());
}

TEST_CASE("a rootless map is the caller as root and the subordinate ids from 1 on") {
    std::vector<IdRange> map = rootless_map(1000, {{0, 100000, 10}, {0, 300000, 5}});
    CHECK(map == std::vector<IdRange>{{0, 1000, 1}, {1, 100000, 10}, {11, 300000, 5}});
    CHECK(is_mapped(map, 0));
    CHECK(is_mapped(map, 15));
    CHECK_FALSE(is_mapped(map, 16));
    CHECK_FALSE(is_mapped({}, 0));
}
