// SPDX-License-Identifier: Apache-2.0
// What --mount asks for: binds, memory, secrets, sockets, and the scripts of heredocs.

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/process.h"
#include "builder/sandbox/integration/scene.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

bool store_holds(const Scene& scene, const std::string& text) {
    ProcessOptions options;
    options.arguments = {"/bin/grep", "-rqsF", text, scene.store()};
    return run_and_capture(options).status.ok();
}

}  // namespace

TEST_CASE("a bind mount shows a tree, or a part of one, and is read-only") {
    Scene scene;
    LayerDraft draft;
    draft.directory("/src").file("/src/one", "1").file("/src/two", "2");
    DeltaId source = scene.materialise(layerstore::TreeDelta::build(draft.changes), draft);
    RunSpec spec = scene.shell("cat /work/one /file; ls /work; echo x > /work/one; rm /work/two; touch /work/new");
    spec.binds = {{at("/work"), {source}, at("/src"), false}, {at("/file"), {source}, at("/src/two"), false}};
    Ran ran = scene.run(spec);
    if (!has_mounts()) {
        CHECK(ran.output == "12one\ntwo\n");  // a copy: what is written is thrown away
        CHECK(scene.run(spec).output == "12one\ntwo\n");
        return;
    }
    CHECK(ran.output ==
          "12one\ntwo\n/bin/sh: can't create /work/one: Read-only file system\n"
          "rm: can't remove '/work/two': Read-only file system\ntouch: /work/new: Read-only file system\n");
}

TEST_CASE("what is written to a writable bind mount is seen by the command and then gone") {
    Scene scene;
    LayerDraft draft;
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

TEST_CASE("one file of a tree may be bound writable") {
    Scene scene;
    LayerDraft draft;
    draft.directory("/src").file("/src/one", "1").file("/src/two", "2");
    DeltaId source = scene.materialise(layerstore::TreeDelta::build(draft.changes), draft);
    scene.add_layer(LayerDraft().file("/etc/conf", "the image's"));
    RunSpec spec = scene.shell("echo more >> /etc/conf; cat /etc/conf");
    spec.binds = {{at("/etc/conf"), {source}, at("/src/one"), true}};
    for (int round = 0; round < 2; ++round) CHECK(scene.run(spec).output == "1more\n");
    CHECK(describe(scene.run_and_keep(spec)).empty());
    CHECK(scene.run("cat /etc/conf").output == "the image's");
}

TEST_CASE("a bind mount of several layers shows their union") {
    Scene scene;
    scene.add_layer(LayerDraft().file("/a", "1").file("/b", "2"));
    scene.add_layer(LayerDraft().remove("/a").file("/c", "3"));
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
    scene.add_layer(LayerDraft().link("/out", "../../../tmp/target").link("/dangling", "/not/there"));
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
    if (has_mounts()) CHECK(scene.run(spec).output == "1024\n1777\n");
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

TEST_CASE("a socket of the host answers inside, with the owner and the mode that it is to have there") {
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
    spec.sockets = {{at("/agent.sock"), path, 0620, 0, 5}};
    spec.arguments.back() = "stat -c '%a %u:%g' /agent.sock; " + spec.arguments.back();
    Ran ran = scene.run(spec);
    server.join();
    CHECK(ran.output == "620 0:5\nhello\n");
}

TEST_CASE("a script runs from where it was put, and cannot be changed") {
    Scene scene;
    RunSpec spec = scene.spec({"/dev/pipes/script"});
    spec.scripts = {{at("/dev/pipes/script"), "#!/bin/sh\necho \"I am $0\"; echo x >> $0\n"}};
    CHECK(scene.run(spec).output ==
          "I am /dev/pipes/script\n/dev/pipes/script: line 2: can't create /dev/pipes/script: Read-only file system\n");
}
