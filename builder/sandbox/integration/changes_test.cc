// SPDX-License-Identifier: Apache-2.0
// What a RUN changed, found in its upper directory, the same on every rung.

#include <doctest/doctest.h>

#include "base/error.h"
#include "builder/sandbox/id_maps.h"
#include "builder/sandbox/integration/scene.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/tree/algebra.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::layerstore;

namespace {

LayerDraft old_data() {
    LayerDraft draft;
    draft.directory("/data").directory("/data/dir").directory("/data/dir/below").directory("/data/hidden");
    draft.file("/data/dir/below/x", "x").file("/data/hidden/a", "a").file("/data/hidden/b", "b");
    for (const char* name : {"changed", "deleted", "file", "from", "mode", "owner", "touched", "rewritten"})
        draft.file(std::string("/data/") + name, name);
    draft.file("/data/one", "one").file("/data/two", "one").same({"/data/one", "/data/two"});
    draft.link("/data/link", "changed");
    return draft;
}

constexpr const char* everything = R"(set -e; cd /data
echo text > new
mkdir -p tree/deep; echo leaf > tree/deep/leaf
echo more >> changed
rm deleted
mv from to
rm -r dir; echo plain > dir
rm file; mkdir file; echo in > file/in
rm -r hidden; mkdir hidden; echo only > hidden/only
chmod 600 mode
chown 5:7 owner
touch touched
cp rewritten copy; cat copy > rewritten; rm copy
ln -sf new link
mkfifo -m 640 fifo
echo s > setuid; chmod 4755 setuid
echo a > first; ln first second
echo x > attribute; inside set attribute user.note 6869
echo c > capable; inside set capable security.capability 0100000200040000000000000000000000000000
inside listen socket
)";

constexpr const char* what_changed = R"(put /data/attribute file 644 0:0 size=2 user.note(2)
put /data/capable file 644 0:0 size=2 security.capability(20)
put /data/changed file 644 0:0 size=12
remove /data/deleted
put /data/dir file 644 0:0 size=6
put /data/fifo fifo 640 0:0
put /data/file directory 755 0:0
put /data/file/in file 644 0:0 size=3
put /data/first file 644 0:0 size=2
remove /data/from
remove /data/hidden/a
remove /data/hidden/b
put /data/hidden/only file 644 0:0 size=5
put /data/link symlink 777 0:0 to=new
put /data/mode file 600 0:0 size=4
put /data/new file 644 0:0 size=5
put /data/owner file 644 5:7 size=5
put /data/second file 644 0:0 size=2
put /data/setuid file 4755 0:0 size=2
put /data/to file 644 0:0 size=4
put /data/tree directory 755 0:0
put /data/tree/deep directory 755 0:0
put /data/tree/deep/leaf file 644 0:0 size=5
same /data/first /data/second
)";

// Fixed by the commands alone: equal on every machine and every rung.
constexpr const char* delta_of_everything = "4d60ce4178ca4df3eaa29d2f9da4f26cc31dac06a413b425c70b47264b1450a7";

}  // namespace

TEST_CASE("everything that a command changes is found, and nothing else") {
    Scene scene;
    scene.add_layer(old_data());
    TreeDelta delta = scene.run_and_keep(scene.shell(everything));
    CHECK(describe(delta) == std::string(what_changed));
    CHECK(delta.id().value.hex() == std::string(delta_of_everything));
}

TEST_CASE("the next command sees what the one before it kept") {
    Scene scene;
    scene.add_layer(old_data());
    scene.run_and_keep(scene.shell(everything));
    Ran ran = scene.run(R"(cd /data; cat new changed to dir file/in tree/deep/leaf link; ls hidden
        ls deleted from 2>&1; stat -c '%a %u:%g %F' owner mode setuid fifo; stat -c %h first second
        inside get attribute user.note; inside get capable security.capability; ls)");
    CHECK(ran.output == R"(text
changedmore
fromplain
in
leaf
text
only
ls: deleted: No such file or directory
ls: from: No such file or directory
644 5:7 regular file
600 0:0 regular file
4755 0:0 regular file
640 0:0 fifo
2
2
6869
0100000200040000000000000000000000000000
attribute
capable
changed
dir
fifo
file
first
hidden
link
mode
new
one
owner
rewritten
second
setuid
to
touched
tree
two
)");
}

TEST_CASE("a directory that a command made anew is emptied in the changes as they are found") {
    Scene scene;
    scene.add_layer(old_data());
    Ran ran = scene.run("cd /data; rm -r hidden; mkdir hidden; echo only > hidden/only");
    if (!has_mounts()) return;  // told by comparing
    CHECK(describe(ran.result->changes()).find("empty /data/hidden directory 755 0:0\nput /data/hidden/only file") !=
          std::string::npos);
}

TEST_CASE("a command that changes nothing leaves an empty delta") {
    Scene scene;
    CHECK(describe(scene.run_and_keep(scene.shell("cat /etc/passwd; touch /etc; chmod 755 /bin"))).empty());
}

TEST_CASE("the times that a RUN sees are those of the layers, whatever the clock says") {
    Scene scene;
    scene.run_and_keep(scene.shell("echo a > /a; mkdir /d; ln -s a /l"));
    CHECK(scene.run("stat -c %Y /a /d /l /bin /").output == "315619200\n315619200\n315619200\n315619200\n315619200\n");
}

TEST_CASE("a change of the root directory itself is kept") {
    Scene scene;
    TreeDelta delta = scene.run_and_keep(scene.shell("chmod 711 /; chown 3:4 /"));
    CHECK(describe(delta) == "put / directory 711 3:4\n");
    CHECK(scene.run("stat -c '%a %u:%g' /").output == "711 3:4\n");
}

TEST_CASE("a name of a lower hard link that is changed becomes a file of its own") {
    Scene scene;
    scene.add_layer(old_data());
    TreeDelta delta = scene.run_and_keep(scene.shell("echo more >> /data/one"));
    CHECK(describe(delta) == "put /data/one file 644 0:0 size=8\n");
    CHECK(scene.run("cat /data/two").output == "one");
}

TEST_CASE("a directory of the base that is renamed is one that goes and one that comes") {
    Scene scene;
    scene.add_layer(old_data());
    TreeDelta delta = scene.run_and_keep(scene.shell("mv /data/dir /data/moved"));
    CHECK(describe(delta) ==
          "remove /data/dir\nput /data/moved directory 755 0:0\nput /data/moved/below directory 755 0:0\n"
          "put /data/moved/below/x file 644 0:0 size=1\n");
    CHECK(scene.run("cat /data/moved/below/x; ls -d /data/dir").output ==
          "xls: /data/dir: No such file or directory\n");
}

TEST_CASE("a command cannot speak overlay's own language") {
    Scene scene;
    scene.add_layer(old_data());
    Ran ran = scene.run("mknod /data/file c 0 0; mknod /data/white c 0 0; cat /data/file");
    if (has_mounts())
        CHECK(ran.output == "mknod: /data/file: File exists\nmknod: /data/white: Operation not permitted\nfile");
    else
        CHECK(describe(ran.result->changes()).find("white") == std::string::npos);
    TreeDelta delta = scene.run_and_keep(scene.shell(R"(cd /data
        inside set dir user.overlay.opaque 79; inside set dir trusted.overlay.opaque 79
        inside set changed user.overlay.whiteout 79; inside set hidden user.overlay.redirect 2f746d70
        true)"));
    CHECK(describe(delta).empty());
    CHECK(scene.run("cd /data; cat dir/below/x changed hidden/a").output == "xchangeda");
}

TEST_CASE("names of all bytes and of the greatest length are kept") {
    Scene scene;
    TreeDelta delta = scene.run_and_keep(scene.shell(R"sh(mkdir /n; cd /n
        touch "$(printf 'a\nb')" "$(printf '\377')" ' ' "$(printf '%0255d' 7)")sh"));
    CHECK(delta.changes().size() == 5);
    CHECK(scene.run("find /n -type f -print0 | tr -cd '\\0' | wc -c").output == "4\n");
}

TEST_CASE("a sparse file stays as large as it is and costs no space") {
    Scene scene;
    scene.run_and_keep(scene.shell("truncate -s 64M /sparse; echo end >> /sparse"));
    CHECK(
        scene.run("stat -c '%s' /sparse; test $(stat -c %b /sparse) -lt 100 && echo small; tail -c 4 /sparse").output ==
        "67108868\nsmall\nend\n");
}

TEST_CASE("removals and opaque directories of materialised layers hide what lies below") {
    Scene scene;
    scene.add_layer(old_data());
    scene.add_layer(LayerDraft().remove("/data/deleted").remove("/data/dir").opaque("/data/hidden"));
    CHECK(scene.run("ls /data/hidden; ls /data").output ==
          "changed\nfile\nfrom\nhidden\nlink\nmode\none\nowner\nrewritten\ntouched\ntwo\n");
}

TEST_CASE("device nodes are kept where they can be made or stood for, and refused with subordinate ids") {
    Scene scene;
    Ran ran = scene.run("mknod /null c 1 3 && chmod 666 /null");
    if (test_rung().mode == RootMode::userns) {
        CHECK(ran.status.code == 1);
        CHECK(ran.output == "mknod: /null: Operation not permitted\n");
        return;
    }
    CHECK(describe(scene.run_and_keep(scene.shell("mknod /null c 1 3 && chmod 666 /null"))) ==
          "put /null character 666 0:0\n");
}

TEST_CASE("root and a user namespace find the same delta for the same commands") {
    if (!is_real_root()) return;
    Rung mapped;
    mapped.mode = RootMode::userns;
    mapped.uid_map = mapped.gid_map = rootless_map(0, {{0, 200'000, 65536}});
    auto found = [](const Rung& rung) {
        Scene scene(rung);
        scene.add_layer(old_data());
        return scene.run_and_keep(scene.shell(everything));
    };
    TreeDelta as_root = found(test_rung());
    TreeDelta as_user = found(mapped);
    TreeDelta as_one_id = found({.mode = RootMode::single, .uid_map = {{0, 0, 1}}, .gid_map = {{0, 0, 1}}});
    CHECK(describe(as_root) == describe(as_user));
    CHECK(as_root.id() == as_user.id());
    CHECK(describe(as_root) == describe(as_one_id));
    CHECK(as_root.id() == as_one_id.id());
}

TEST_CASE("an id that the user namespace does not map is an error that says what to do") {
    if (test_rung().mode != RootMode::userns) return;
    Scene scene;
    LayerDraft draft;
    draft.file("/foreign", "text");
    draft.last().uid = 4'000'000'000;
    try {
        scene.add_layer(draft);
        FAIL("nothing was thrown");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::unsupported);
        CHECK(error.message() == "set owner: /foreign: 4000000000:0 cannot be kept here");
        CHECK(error.hint() == "give the user more subordinate ids in /etc/subuid and /etc/subgid");
    }
}
