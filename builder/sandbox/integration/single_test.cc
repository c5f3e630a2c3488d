// SPDX-License-Identifier: Apache-2.0
// Owners and ids where there is one id: what is answered for looks as with all of them. On every rung, so that the
// expectations are the kernel's.

#include <doctest/doctest.h>

#include "builder/sandbox/integration/scene.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::layerstore;

TEST_CASE("files keep their owner through names, links and the steps that follow") {
    Scene scene;
    LayerDraft draft;
    draft.directory("/data").file("/data/lower", "l").link("/data/link", "lower");
    for (Change& change : draft.changes) change.entry.uid = change.entry.gid = 21;
    scene.add_layer(draft);
    const TreeDelta delta = scene.run_and_keep(scene.shell(R"(set -e; cd /data
        mv lower moved; mv link renamed; touch -h renamed; echo x > new; chown 5:6 new; ln new again; mv new third
        mkfifo pipe; chown 7:8 pipe; mv pipe pipe2; mkdir dir; chown 9:10 dir; mv dir dir2; chown 0:0 third)"));
    CHECK(describe(delta) == R"(put /data/again file 644 0:0 size=2
put /data/dir2 directory 755 9:10
remove /data/link
remove /data/lower
put /data/moved file 644 21:21 size=1
put /data/pipe2 fifo 644 7:8
put /data/renamed symlink 777 21:21 to=lower
put /data/third file 644 0:0 size=2
same /data/again /data/third
)");
    CHECK(scene.run("cd /data; stat -c '%n %u:%g %h' *; inside list renamed; inside list dir2").output ==
          "again 0:0 2\ndir2 9:10 2\nmoved 21:21 1\npipe2 7:8 1\nrenamed 21:21 1\nthird 0:0 2\n");
}

TEST_CASE("ids that a process takes are its children's, and its files are theirs") {
    Scene scene;
    RunSpec spec = scene.shell(R"(id -u; id -g; id -G; inside as 33 8 /bin/sh -c 'id -u; id -g; id -G
        mkdir /tmp/made; (echo x > /tmp/made/file); ln -s x /tmp/made/link; inside as 0 0 /bin/true || echo refused
        chown 0 /tmp/made/file || echo kept' 2>&1; stat -c '%n %u:%g %a' /tmp/made /tmp/made/*)");
    spec.credentials.groups = {4, 5};
    Ran ran = scene.run(spec);
    CHECK(ran.output == R"(0
0
0 4 5
33
8
8
inside: setgroups: Operation not permitted
refused
chown: /tmp/made/file: Operation not permitted
kept
/tmp/made 33:8 755
/tmp/made/file 33:8 644
/tmp/made/link 33:8 777
)");
}

TEST_CASE("a set-uid program has the ids of its owner, a script has not") {
    if (!has_mounts()) return;  // without a namespace nothing may gain privileges
    Scene scene;
    CHECK(scene
              .run(R"(cp $(which inside) /tmp/whose; chown 12:13 /tmp/whose; chmod 6755 /tmp/whose
        inside as 33 8 /tmp/whose ids
        printf '#!/bin/inside ids\n' > /tmp/script; chown 12:13 /tmp/script; chmod 6755 /tmp/script
        inside as 33 8 /tmp/script)")
              .output == R"(33 12 12 8 13 13
33 33 33 8 8 8
)");
}

TEST_CASE("a directory that gives its group on gives it to what is made in it") {
    Scene scene;
    CHECK(scene
              .run(R"(mkdir /tmp/shared; chown 1:50 /tmp/shared; chmod 2775 /tmp/shared; cd /tmp/shared
        echo x > file; mkdir dir; ln -s x link; mkfifo pipe; stat -c '%n %u:%g %a' *)")
              .output == "dir 0:50 2755\nfile 0:50 644\nlink 0:50 777\npipe 0:50 644\n");
}

TEST_CASE("in another root a process finds the owners of that root") {
    Scene scene;
    CHECK(
        scene
            .run(R"(mkdir -p /jail/bin /jail/etc; cp /bin/busybox $(which inside) /jail/bin; ln -s busybox /jail/bin/sh
        echo x > /jail/etc/file; chown 3:4 /jail/etc/file; ln -s /etc/file /jail/link; echo y > /etc/file
        chroot /jail /bin/sh -c '/bin/busybox stat -L -c %u:%g /link; /bin/busybox chown 5:6 /link'
        stat -c %u:%g /jail/etc/file /etc/file)")
            .output == "3:4\n5:6\n0:0\n");
}

TEST_CASE("nobody sees the limit that carries the ids") {
    Scene scene;
    CHECK(scene.run("inside as 33 8 /bin/inside limit-of-locks; inside limit-of-locks").output ==
          "unlimited\nunlimited\nunlimited\nunlimited\n");
}
