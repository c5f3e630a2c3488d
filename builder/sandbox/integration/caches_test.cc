// SPDX-License-Identifier: Apache-2.0
// RUN --mount=type=cache: directories that outlive the command, and who may use them at once.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/test_support.h"
#include "builder/sandbox/integration/scene.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

CacheMount cache_at(const std::string& target, const std::string& id, CacheSharing sharing = CacheSharing::shared) {
    CacheMount cache;
    cache.target = at(target);
    cache.id = id;
    cache.sharing = sharing;
    return cache;
}

Ran run_with_cache(Scene& scene, const CacheMount& cache, const std::string& script) {
    RunSpec spec = scene.shell(script);
    spec.caches = {cache};
    return scene.run(spec);
}

// Runs `script` in a thread of its own, as another step of a build would.
std::thread run_elsewhere(Scene& scene, const std::vector<CacheMount>& caches, const std::string& script, Ran& ran) {
    return std::thread([&scene, &ran, spec = scene.shell(script), caches]() mutable {
        spec.caches = caches;
        ran = scene.run(spec);
    });
}

// Goes on when both who say this of each other are there, by a cache mount at /met; gives up after a while.
std::string meet(const std::string& mine, const std::string& other) {
    return fmt::format(
        "touch /met/{}; i=0; until test -e /met/{}; do i=$((i+1)); test $i -lt 400 || exit 1; sleep 0.05; "
        "done",
        mine, other);
}

}  // namespace

TEST_CASE("a cache mount keeps its content between commands and stays out of the layer") {
    Scene scene;
    CacheMount cache = cache_at("/root/.cache", "id of\nany bytes/../..");
    CHECK(run_with_cache(scene, cache, "ls -A /root/.cache; echo text > /root/.cache/kept").output.empty());
    CHECK(run_with_cache(scene, cache, "cat /root/.cache/kept").output == "text\n");
    CHECK(run_with_cache(scene, cache_at("/c", "another"), "ls -A /c").output.empty());
    RunSpec spec = scene.shell("echo more > /root/.cache/more");
    spec.caches = {cache};
    CHECK(describe(scene.run_and_keep(spec)).empty());
    scene.sandbox().remove_cache_mount(cache.id);
    CHECK(run_with_cache(scene, cache, "ls -A /root/.cache").output.empty());
}

TEST_CASE("a new cache mount has the mode and owner that were asked for; an old one keeps its own") {
    Scene scene;
    CacheMount cache = cache_at("/c", "owned");
    cache.mode = 0710;
    cache.uid = 1000;
    cache.gid = 1001;
    CHECK(run_with_cache(scene, cache, "stat -c '%a %u:%g' /c").output == "710 1000:1001\n");
    cache.mode = 0777;
    CHECK(run_with_cache(scene, cache, "stat -c '%a %u:%g' /c").output == "710 1000:1001\n");
}

TEST_CASE("a read-only cache mount takes no writes") {
    Scene scene;
    CacheMount cache = cache_at("/c", "sealed");
    run_with_cache(scene, cache, "echo old > /c/y");
    cache.read_only = true;
    if (!has_mounts()) {
        // It takes them, and throws them away.
        CHECK(run_with_cache(scene, cache, "cat /c/y; touch /c/x").output == "old\n");
        CHECK(run_with_cache(scene, cache, "ls /c").output == "y\n");
        return;
    }
    CHECK(run_with_cache(scene, cache, "touch /c/x").output == "touch: /c/x: Read-only file system\n");
}

TEST_CASE("a cache mount starts with the tree that it is given") {
    Scene scene;
    scene.add_layer(LayerDraft().directory("/seed").file("/seed/a", "A").file("/other", "O"));
    CacheMount cache = cache_at("/c", "seeded");
    cache.from = scene.layers();
    cache.from_source = at("/seed");
    CHECK(run_with_cache(scene, cache, "ls /c; cat /c/a; echo B > /c/a").output == "a\nA");
    CHECK(run_with_cache(scene, cache, "cat /c/a; cat /seed/a").output == "B\nA");
}

TEST_CASE("a shared cache mount is used by two commands at once") {
    if (!has_mounts()) return;
    Scene scene;
    CacheMount cache = cache_at("/met", "shared");
    Ran first, second;
    std::thread one = run_elsewhere(scene, {cache}, meet("one", "two"), first);
    std::thread two = run_elsewhere(scene, {cache}, meet("two", "one"), second);
    one.join();
    two.join();
    CHECK(first.status.code == 0);
    CHECK(second.status.code == 0);
}

TEST_CASE("a locked cache mount is used by one command after the other") {
    Scene scene;
    CacheMount cache = cache_at("/c", "locked", CacheSharing::locked);
    const char* script = "test ! -e /c/busy || exit 1; touch /c/busy; sleep 0.3; rm /c/busy; echo . >> /c/rounds";
    Ran first, second;
    std::thread one = run_elsewhere(scene, {cache}, script, first);
    std::thread two = run_elsewhere(scene, {cache}, script, second);
    one.join();
    two.join();
    CHECK(first.status.code == 0);
    CHECK(second.status.code == 0);
    CHECK(run_with_cache(scene, cache, "cat /c/rounds").output == ".\n.\n");
}

TEST_CASE("a private cache mount in use is another directory for the next command, and the same one after it") {
    if (!has_mounts()) return;  // the commands of this test meet in a shared one
    Scene scene;
    CacheMount cache = cache_at("/c", "private", CacheSharing::exclusive);
    CacheMount meeting = cache_at("/met", "meeting");
    Ran first, second;
    auto script = [](const char* mine, const char* other) {
        return fmt::format("echo {} >> /c/rounds; {}; cat /c/rounds", mine, meet(mine, other));
    };
    std::thread one = run_elsewhere(scene, {cache, meeting}, script("one", "two"), first);
    std::thread two = run_elsewhere(scene, {cache, meeting}, script("two", "one"), second);
    one.join();
    two.join();
    CHECK(first.output == "one\n");
    CHECK(second.output == "two\n");
    std::string kept = run_with_cache(scene, cache, "cat /c/rounds").output;
    CHECK((kept == "one\n" || kept == "two\n"));
}

TEST_CASE("one locked cache mount at two places of a command is held once") {
    Scene scene;
    RunSpec spec = scene.shell("echo text > /one/file; cat /two/file");
    spec.caches = {cache_at("/one", "same"), cache_at("/two", "same", CacheSharing::locked)};
    if (has_mounts())
        CHECK(scene.run(spec).output == "text\n");
    else
        CHECK(test::refusal([&] { scene.run(spec); }).find("one cache cannot be in two places") != std::string::npos);
}

TEST_CASE("commands that name the same locked cache mounts in different orders do not wait for each other for ever") {
    Scene scene;
    std::vector<std::string> ids{"a", "b", "c", "d"};
    std::vector<std::thread> threads;
    std::vector<Ran> ran(6);
    for (Ran& one : ran) {
        RunSpec spec = scene.shell("true");
        for (const std::string& id : ids) spec.caches.push_back(cache_at("/" + id, id, CacheSharing::locked));
        std::ranges::next_permutation(ids);
        threads.emplace_back([&scene, &one, spec = std::move(spec)] { one = scene.run(spec); });
    }
    for (std::thread& thread : threads) thread.join();
    for (const Ran& one : ran) CHECK(one.status.ok());
}
