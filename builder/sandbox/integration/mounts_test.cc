// SPDX-License-Identifier: Apache-2.0
// What --mount asks for: binds, caches, memory, secrets, sockets, and the scripts of heredocs.

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <thread>

#include "base/error.h"
#include "base/process.h"
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

// Runs `script` in a thread of its own from a sandbox of its own, as another build would.
std::thread run_elsewhere(Scene& scene, const CacheMount& cache, const std::string& script, Ran& ran) {
    return std::thread([&scene, &ran, spec = scene.shell(script), cache]() mutable {
        spec.caches = {cache};
        ran = scene.run(spec);
    });
}

bool store_holds(const Scene& scene, const std::string& text) {
    ProcessOptions options;
    options.arguments = {"/bin/grep", "-rqsF", text, scene.store()};
    return run_and_capture(options).status.ok();
}

}  // namespace

TEST_CASE("a bind mount shows a tree, or a part of one, and is read-only") {
    Scene scene;
    Draft draft;
    draft.directory("/src").file("/src/one", "1").file("/src/two", "2");
    DeltaId source = scene.materialise(layerstore::TreeDelta::build(draft.changes), draft);
    RunSpec spec = scene.shell("cat /work/one /file; ls /work; echo x > /work/one; rm /work/two; touch /work/new");
    spec.binds = {{at("/work"), {source}, at("/src"), false}, {at("/file"), {source}, at("/src/two"), false}};
    Ran ran = scene.run(spec);
    CHECK(ran.output ==
          "12one\ntwo\n/bin/sh: can't create /work/one: Read-only file system\n"
          "rm: can't remove '/work/two': Read-only file system\ntouch: /work/new: Read-only file system\n");
}

TEST_CASE("what is written to a writable bind mount is seen by the command and then gone") {
    Scene scene;
    Draft draft;
    draft.file("/one", "1").file("/two", "2");
    DeltaId source = scene.materialise(layerstore::TreeDelta::build(draft.changes), draft);
    RunSpec spec = scene.shell("echo changed > /work/one; rm /work/two; touch /work/new; cat /work/one; ls /work");
    spec.binds = {{at("/work"), {source}, ImagePath(), true}};
    for (int round = 0; round < 2; ++round) {
        Ran ran = scene.run(spec);
        CHECK(ran.output == "changed\nnew\none\n");
    }
    CHECK(describe(scene.run_and_keep(spec)).empty());
}

TEST_CASE("a bind mount of several layers shows their union") {
    Scene scene;
    scene.add_layer(Draft().file("/a", "1").file("/b", "2"));
    scene.add_layer(Draft().remove("/a").file("/c", "3"));
    RunSpec spec = scene.shell("cd /work; ls -d a b c");
    spec.binds = {{at("/work"), scene.layers(), ImagePath(), false}};
    CHECK(scene.run(spec).output == "ls: a: No such file or directory\nb\nc\n");
}

TEST_CASE("a source that the mounted tree does not have is an error that names the mount") {
    Scene scene;
    RunSpec spec = scene.shell("true");
    spec.binds = {{at("/work"), scene.layers(), at("/missing"), false}};
    try {
        scene.run(spec);
        FAIL("nothing was thrown");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::not_found);
        CHECK(error.full_message().find("bind bind-0:/missing on /work") != std::string::npos);
    }
}

TEST_CASE("mount points that the image lacks leave no trace, those that a command uses stay") {
    Scene scene;
    RunSpec spec = scene.shell("echo kept > /deep/a/kept; ls /deep/a/b");
    spec.tmpfs = {{at("/deep/a/b/c"), 0}, {at("/other/place"), 0}};
    CHECK(describe(scene.run_and_keep(spec)) ==
          "put /deep directory 755 0:0\nput /deep/a directory 755 0:0\nput /deep/a/kept file 644 0:0 size=5\n");
}

TEST_CASE("a mount below another mount is made after it, whatever their order") {
    Scene scene;
    RunSpec spec = scene.shell("cat /m/s; touch /m/x && echo written");
    spec.secrets = {{at("/m/s"), "secret", 0400, 0, 0}};
    spec.tmpfs = {{at("/m"), 0}};
    CHECK(scene.run(spec).output == "secretwritten\n");
}

TEST_CASE("a target behind links of the image stays in the image") {
    Scene scene;
    scene.add_layer(Draft().link("/out", "../../../tmp/target").link("/dangling", "/not/there"));
    RunSpec spec = scene.shell("cat /tmp/target/a /not/there/b");
    spec.secrets = {{at("/out/a"), "A", 0400, 0, 0}, {at("/dangling/b"), "B", 0400, 0, 0}};
    CHECK(scene.run(spec).output == "AB");
    CHECK(describe(scene.run_and_keep(spec)).empty());
}

TEST_CASE("nothing can be mounted on the root or in /proc") {
    Scene scene;
    for (const char* place : {"/", "/proc", "/proc/self"}) {
        RunSpec spec = scene.shell("true");
        spec.tmpfs = {{at(place), 0}};
        try {
            scene.run(spec);
            FAIL("nothing was thrown");
        } catch (const Error& error) {
            CHECK(error.kind() == ErrorKind::usage);
        }
    }
}

TEST_CASE("a memory file system has the size that was asked for and is gone afterwards") {
    Scene scene;
    RunSpec spec = scene.shell("df -k /m | tail -1 | awk '{print $2}'; touch /m/x; stat -c %a /m");
    spec.tmpfs = {{at("/m"), 1 << 20}};
    CHECK(scene.run(spec).output == "1024\n1777\n");
    CHECK(describe(scene.run_and_keep(spec)).empty());
}

TEST_CASE("a secret has its owner and mode, cannot be changed, and never reaches the store") {
    Scene scene;
    RunSpec spec = scene.shell("cat /run/secrets/key; stat -c '%a %u:%g' /run/secrets/key; echo x > /run/secrets/key");
    spec.secrets = {{at("/run/secrets/key"), "open-sesame-4711", 0440, 12, 34}};
    Ran ran = scene.run(spec);
    CHECK(ran.output == "open-sesame-4711440 12:34\n/bin/sh: can't create /run/secrets/key: Read-only file system\n");
    CHECK_FALSE(store_holds(scene, "open-sesame-4711"));  // while the work directory still stands
    RunSpec reading = scene.shell("cat /run/secrets/key > /dev/null");
    reading.secrets = spec.secrets;
    CHECK(describe(scene.run_and_keep(reading)).empty());
}

TEST_CASE("a socket of the host answers inside") {
    Scene scene;
    TemporaryDirectory place = TemporaryDirectory::create();
    std::string path = place.path() + "/s";
    Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::chmod(path.c_str(), 0666) == 0);
    REQUIRE(::listen(listener.get(), 1) == 0);
    timeval limit{10, 0};  // accept(2) gives up by it
    ::setsockopt(listener.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    std::thread server([&] {
        Fd peer(::accept(listener.get(), nullptr, nullptr));
        if (peer) REQUIRE(::write(peer.get(), "hello", 5) == 5);
    });
    RunSpec spec = scene.shell("inside talk /agent.sock");
    spec.sockets = {{at("/agent.sock"), path, 0600, 0, 0}};
    Ran ran = scene.run(spec);
    server.join();
    CHECK(ran.output == "hello\n");
}

TEST_CASE("a script runs from where it was put, and cannot be changed") {
    Scene scene;
    RunSpec spec = scene.spec({"/dev/pipes/script"});
    spec.scripts = {{at("/dev/pipes/script"), "#!/bin/sh\necho \"I am $0\"; echo x >> $0\n"}};
    CHECK(scene.run(spec).output ==
          "I am /dev/pipes/script\n/dev/pipes/script: line 2: can't create /dev/pipes/script: Read-only file system\n");
}

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
    cache.read_only = true;
    CHECK(run_with_cache(scene, cache, "touch /c/x").output == "touch: /c/x: Read-only file system\n");
}

TEST_CASE("a cache mount starts with the tree that it is given") {
    Scene scene;
    scene.add_layer(Draft().directory("/seed").file("/seed/a", "A").file("/other", "O"));
    CacheMount cache = cache_at("/c", "seeded");
    cache.from = scene.layers();
    cache.from_source = at("/seed");
    CHECK(run_with_cache(scene, cache, "ls /c; cat /c/a; echo B > /c/a").output == "a\nA");
    CHECK(run_with_cache(scene, cache, "cat /c/a; cat /seed/a").output == "B\nA");
}

TEST_CASE("a shared cache mount is used by two commands at once") {
    Scene scene;
    CacheMount cache = cache_at("/c", "shared");
    Ran first, second;
    auto meet = [](const char* mine, const char* other) {
        return std::string("touch /c/") + mine + "; for i in $(seq 100); do test -e /c/" + other +
               " && exit 0; sleep 0.05; done; exit 1";
    };
    scene.add_layer(Draft().link("/bin/seq", "busybox"));
    std::thread one = run_elsewhere(scene, cache, meet("one", "two"), first);
    std::thread two = run_elsewhere(scene, cache, meet("two", "one"), second);
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
    std::thread one = run_elsewhere(scene, cache, script, first);
    std::thread two = run_elsewhere(scene, cache, script, second);
    one.join();
    two.join();
    CHECK(first.status.code == 0);
    CHECK(second.status.code == 0);
    CHECK(run_with_cache(scene, cache, "cat /c/rounds").output == ".\n.\n");
}

TEST_CASE("a private cache mount in use is another directory for the next command, and the same one after it") {
    Scene scene;
    CacheMount cache = cache_at("/c", "private", CacheSharing::exclusive);
    Ran first, second;
    std::thread one = run_elsewhere(scene, cache, "echo 1 >> /c/rounds; sleep 0.5; cat /c/rounds", first);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    std::thread two = run_elsewhere(scene, cache, "echo 2 >> /c/rounds; sleep 0.5; cat /c/rounds", second);
    one.join();
    two.join();
    CHECK(first.output == "1\n");
    CHECK(second.output == "2\n");
    CHECK(run_with_cache(scene, cache, "cat /c/rounds").output == "1\n");
}
