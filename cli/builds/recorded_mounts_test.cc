// SPDX-License-Identifier: Apache-2.0
#include "cli/builds/recorded_mounts.h"

#include <doctest/doctest.h>

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::cli;

namespace {

RunMount kept(const RunMount& mount) { return mount_from_json(json_of(mount)).value(); }

}  // namespace

TEST_CASE("what a mount is comes back from a record as it was") {
    RunMount cache;
    cache.target = ImagePath::clean("/cache");
    cache.mount = {.type = parser::MountType::cache,
                   .target = "/cache",
                   .source = "sub",
                   .id = "mine",
                   .read_only = true,
                   .sharing = parser::CacheSharing::locked,
                   .mode = 0700,
                   .uid = 1,
                   .gid = 2};
    CHECK(kept(cache) == cache);
    RunMount memory;
    memory.target = ImagePath::clean("/m");
    memory.mount = {.type = parser::MountType::tmpfs, .target = "/m", .size = 1U << 20};
    CHECK(kept(memory) == memory);
    RunMount secret;
    secret.mount = {.type = parser::MountType::secret, .id = "key", .environment = "KEY", .required = true};
    CHECK(kept(secret) == secret);
    CHECK(json_of(secret).dump() == R"({"type":"secret","id":"key","env":"KEY","required":1})");
}

TEST_CASE("of a mount from another stage it is known that it was one") {
    RunMount bind;
    bind.target = ImagePath::clean("/b");
    bind.mount = {.type = parser::MountType::bind, .target = "/b", .read_only = true};
    bind.input = 3;
    CHECK(kept(bind).input == 0U);
}

TEST_CASE("what is no mount is none") {
    CHECK_FALSE(mount_from_json(Json("text")));
    CHECK_FALSE(mount_from_json(Json{{"type", "other"}}));
    CHECK_FALSE(mount_from_json(Json{{"type", "cache"}, {"mode", "wide"}}));
    CHECK_FALSE(mount_from_json(Json::object()));
}
