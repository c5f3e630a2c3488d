// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/cache_mounts.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/temporary_directory.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

struct Place {
    TemporaryDirectory store = TemporaryDirectory::create();
    DeltaFolder deltas{store.path(), "test", layerstore::OverlaySpelling::user};
    CacheMounts mounts{store.path(), "test", deltas};

    static CacheMount mount(const std::string& id, CacheSharing sharing = CacheSharing::shared) {
        CacheMount cache;
        cache.id = id;
        cache.sharing = sharing;
        cache.uid = ::geteuid();
        cache.gid = ::getegid();
        return cache;
    }
};

void go_on() {}

}  // namespace

TEST_CASE("a cache mount's directory is a hash of its id, whatever bytes that holds") {
    Place place;
    for (const char* id : {"", "/root/.cache", "../../etc", "a\nb", "\xff"}) {
        std::string name = place.mounts.name_of(id);
        CHECK(name.size() == 64);
        CHECK(name.find_first_not_of("0123456789abcdef") == std::string::npos);
    }
    CHECK(place.mounts.name_of("a") == place.mounts.name_of("a"));
    CHECK(place.mounts.name_of("a") != place.mounts.name_of("b"));
    CHECK(place.mounts.name_of(std::string("a\0b", 3)) != place.mounts.name_of("a"));
}

TEST_CASE("spellings do not share cache mounts: owners lie on disk differently") {
    Place place;
    CacheMounts other(place.store.path(), "other", place.deltas);
    CHECK(other.name_of("a") != place.mounts.name_of("a"));
}

TEST_CASE("a new cache mount has its mode, and the same directory comes again") {
    Place place;
    CacheMount mount = Place::mount("id");
    mount.mode = 0710;
    std::string first = place.mounts.hold(mount, go_on).data.name();
    struct stat status {};
    REQUIRE(::stat(first.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0710);
    CHECK(first == place.store.path() + "/mounts/" + place.mounts.name_of("id") + "/data-0");
    CHECK(place.mounts.hold(mount, go_on).data.name() == first);
}

TEST_CASE("shared holders have one directory, private ones each their own while it is in use") {
    Place place;
    HeldCache one = place.mounts.hold(Place::mount("shared"), go_on);
    HeldCache two = place.mounts.hold(Place::mount("shared"), go_on);
    CHECK(one.data.name() == two.data.name());
    CacheMount own = Place::mount("private", CacheSharing::exclusive);
    {
        HeldCache three = place.mounts.hold(own, go_on);
        HeldCache four = place.mounts.hold(own, go_on);
        CHECK(three.data.name().ends_with("/data-0"));
        CHECK(four.data.name().ends_with("/data-1"));
    }
    CHECK(place.mounts.hold(own, go_on).data.name().ends_with("/data-0"));
}

TEST_CASE("who waits for a locked cache mount can be stopped") {
    Place place;
    CacheMount locked = Place::mount("locked", CacheSharing::locked);
    HeldCache held = place.mounts.hold(locked, go_on);
    int asked = 0;
    auto stop = [&] {
        if (++asked == 3) throw Error(ErrorKind::interrupted, "test: stopped");
    };
    CHECK_THROWS_AS(place.mounts.hold(locked, stop), Error);
    CHECK(asked == 3);
}

TEST_CASE("a removed cache mount starts anew, and removing what is not there is fine") {
    Place place;
    HeldCache held = place.mounts.hold(Place::mount("id"), go_on);
    REQUIRE(::mkdirat(held.data.fd(), "kept", 0755) == 0);
    place.mounts.remove("id");
    place.mounts.remove("never");
    CHECK(place.mounts.hold(Place::mount("id"), go_on).data.list().empty());
}
