// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <unistd.h>

#include "base/error.h"
#include "builder/sandbox/integration/scene.h"

using namespace imgbuild;
using namespace imgbuild::builder;

TEST_CASE("a command runs, its output reaches the log and its exit code the result") {
    Scene scene;
    Ran ran = scene.run("echo out; echo err >&2");
    CHECK(ran.status.code == 0);
    CHECK(ran.output == "out\nerr\n");
    CHECK(scene.run("exit 7").status.code == 7);
    Ran killed = scene.run("kill -9 $$");
    CHECK(killed.status.code == 137);
    CHECK(killed.status.signal == 9);
    CHECK(scene.run("kill -TERM $$").status.signal == 15);
}

TEST_CASE("output and errors stand in the log in the order in which they were written") {
    Scene scene;
    Ran ran = scene.run("i=0; while test $i -lt 500; do echo o$i; echo e$i >&2; i=$((i+1)); done");
    std::string expected;
    for (int i = 0; i < 500; ++i) expected += "o" + std::to_string(i) + "\ne" + std::to_string(i) + "\n";
    CHECK(ran.output == expected);
}

TEST_CASE("a command that fails has no changes") {
    Scene scene;
    Ran ran = scene.run("echo text > /new; exit 1");
    CHECK(ran.status.code == 1);
    CHECK(ran.result->changes().empty());
}

TEST_CASE("standard input is empty, and no other descriptor reaches the command") {
    Scene scene;
    Ran ran = scene.run("cat; ls /proc/self/fd");
    CHECK(ran.output == "0\n1\n2\n3\n");  // 3 is what ls reads the directory by
}

TEST_CASE("the environment is exactly the one that was given") {
    Scene scene;
    RunSpec spec = scene.spec({"/bin/env"});
    spec.environment = {"PATH=/bin", "WORD=with spaces\nand lines", "EMPTY="};
    ::setenv("LEAKED", "from the caller", 1);
    CHECK(scene.run(spec).output == "PATH=/bin\nWORD=with spaces\nand lines\nEMPTY=\n");
}

TEST_CASE("arguments reach the command as they are") {
    Scene scene;
    RunSpec spec = scene.spec({"/bin/sh", "-c", "for a; do echo \"<$a>\"; done", "name", "", "a b", "$HOME", "\x80"});
    CHECK(scene.run(spec).output == "<>\n<a b>\n<$HOME>\n<\x80>\n");
}

TEST_CASE("the command starts in its working directory") {
    Scene scene;
    RunSpec spec = scene.spec({"/bin/pwd"});
    CHECK(scene.run(spec).output == "/\n");
    spec.working_directory = at("/usr/bin");
    CHECK(scene.run(spec).output == "/usr/bin\n");
}

TEST_CASE("a link that leads to the working directory is followed inside the image") {
    Scene scene;
    scene.add_layer(LayerDraft().link("/inside-link", "/usr/bin").link("/out", "../../../../tmp"));
    RunSpec spec = scene.spec({"/bin/pwd"});
    spec.working_directory = at("/inside-link");
    CHECK(scene.run(spec).output == "/usr/bin\n");
    spec.working_directory = at("/out");
    CHECK(scene.run(spec).output == "/tmp\n");
}

TEST_CASE("a working directory that is missing is made for the user and stays in the layer") {
    Scene scene;
    scene.add_layer(LayerDraft().link("/dangling", "opt/far"));
    RunSpec spec = scene.shell("pwd; stat -c '%a %u:%g %Y' .; touch here");
    spec.credentials = {1000, 1001, {}};
    spec.working_directory = at("/srv/deep");
    CHECK(scene.run(spec).output == "/srv/deep\n755 1000:1001 315619200\n");
    CHECK(describe(scene.run_and_keep(spec)) ==
          "put /srv directory 755 1000:1001\nput /srv/deep directory 755 1000:1001\n"
          "put /srv/deep/here file 644 1000:1001 size=0\n");
    spec.working_directory = at("/dangling/in");
    CHECK(scene.run(spec).output == "/opt/far/in\n755 1000:1001 315619200\n");
}

TEST_CASE("a missing working directory below a mount is made there and not in the layer") {
    Scene scene;
    RunSpec spec = scene.shell("pwd");
    spec.working_directory = at("/m/in");
    spec.tmpfs = {{at("/m"), 0}};
    CHECK(scene.run(spec).output == "/m/in\n");
    CHECK(describe(scene.run_and_keep(spec)).empty());
}

TEST_CASE("a working directory that cannot be, or leads through /proc to the host, is an error") {
    Scene scene;
    for (const char* place : {"/bin/busybox", "/bin/busybox/below", "/proc/self/fd/3", "/proc/1/root", "/proc/self/cwd",
                              "/proc/missing", "/sys/missing", "/dev/missing"}) {
        RunSpec spec = scene.spec({"/bin/pwd"});
        spec.working_directory = at(place);
        CAPTURE(place);
        CHECK_THROWS_AS(scene.run(spec), Error);
    }
    RunSpec spec = scene.spec({"/bin/pwd"});
    spec.working_directory = at("/bin/busybox");
    try {
        scene.run(spec);
        FAIL("nothing was thrown");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::not_found);
        CHECK(error.message() == "enter working directory: /bin/busybox: no such directory in the image");
    }
}

TEST_CASE("user, group and supplementary groups are those of the specification and no others") {
    Scene scene;
    RunSpec spec = scene.shell("id -u; id -g; id -G; umask; grep -E '^(Uid|Gid|Groups)' /proc/self/status");
    CHECK(scene.run(spec).output == "0\n0\n0\n0022\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t \n");
    spec.credentials = {1000, 1001, {5, 20}};
    const std::string output = scene.run(spec).output;
    CHECK(output.starts_with("1000\n1001\n1001 5 20\n0022\n"));
    if (!has_one_id())
        CHECK(output.ends_with("Uid:\t1000\t1000\t1000\t1000\nGid:\t1001\t1001\t1001\t1001\nGroups:\t5 20 \n"));
}

TEST_CASE("a command that is not there ends with 127 and a line that names it") {
    Scene scene;
    Ran ran = scene.run(scene.spec({"nothere", "argument"}));
    CHECK(ran.status.code == 127);
    CHECK(ran.output == "imgbuild: nothere: not found in the image (PATH is /bin:/usr/bin)\n");
    Ran with_path = scene.run(scene.spec({"/opt/nothere"}));
    CHECK(with_path.status.code == 127);
    CHECK(with_path.output == "imgbuild: /opt/nothere: no such file in the image\n");
}

TEST_CASE("a command that cannot be executed ends with 126 and the reason") {
    Scene scene;
    LayerDraft draft;
    draft.file("/plain", "text").file("/noise", "\x01\x02", 0755).file("/script", "#!/opt/shell\n", 0755);
    scene.add_layer(draft);
    Ran plain = scene.run(scene.spec({"/plain"}));
    CHECK(plain.status.code == 126);
    CHECK(plain.output == "imgbuild: /plain: permission denied: is it executable?\n");
    Ran noise = scene.run(scene.spec({"/noise"}));
    CHECK(noise.status.code == 126);
    CHECK(noise.output == "imgbuild: /noise: not a program of this architecture, nor a script with a #! line\n");
    CHECK(scene.run(scene.spec({"/usr"})).output == "imgbuild: /usr: is a directory\n");
    Ran script = scene.run(scene.spec({"/script"}));
    CHECK(script.status.code == 127);
    CHECK(script.output ==
          "imgbuild: /script: the file is there, but the interpreter that it names (#! line or dynamic loader) is "
          "not\n");
}

TEST_CASE("limits are set as asked, and fixed where nothing is asked") {
    Scene scene;
    CHECK(scene.run("ulimit -n; ulimit -c").output == "1024\n0\n");
    RunSpec spec = scene.shell("ulimit -n; ulimit -Hn; ulimit -f");
    spec.limits = {{"nofile", 100, 200}, {"fsize", 1 << 20, 1 << 20}};
    CHECK(scene.run(spec).output == "100\n200\n2048\n");
}

TEST_CASE("a limit above what may be given is an error that names it") {
    Scene scene;
    RunSpec spec = scene.shell("true");
    spec.limits = {{"nofile", 1ULL << 40, 1ULL << 40}};
    try {
        scene.run(spec);
        FAIL("nothing was thrown");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::denied);
        CHECK(error.message().find("nofile=1099511627776:1099511627776") != std::string::npos);
    }
}

TEST_CASE("an image of no layers at all gives a message and no crash") {
    Scene scene;
    RunSpec spec = scene.spec({"/bin/true"});
    spec.layers.clear();
    Ran ran = scene.run(spec);
    CHECK(ran.status.code == 127);
    CHECK(ran.output == "imgbuild: /bin/true: no such file in the image\n");
}
