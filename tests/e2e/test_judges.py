# SPDX-License-Identifier: Apache-2.0
"""Independent judges: what other tools make of our images, and what they build from the same Buildfile."""

import json
import os

from support.bases import busybox_tar
from support.case import ROOT, EndToEnd, File, Link, need_tool
from support.judges import base_for_buildah, build_with_buildah, containers, run_with_crun, unpack_with_umoci
from support.oci import open_layout
from support.tree import differences, tree_of_folder, tree_of_image

HELLO = os.path.join(ROOT, "examples", "hello")
# What the environment of a buildah RUN leaves behind and a build should not: mount points of its own.
MOUNT_POINTS_OF_BUILDAH = {"etc/hosts", "etc/resolv.conf", "etc/hostname", "run/.containerenv", "run/secrets"}
# Config fields in which the two tools differ for a reason, which stands behind each.
EXPECTED_CONFIG_DIFFERENCES = {
    "Labels",  # buildah names its own version in one
    "ArgsEscaped",  # BuildKit, whose spelling of configs is ours, sets it with CMD; buildah never does
}


class Judges(EndToEnd):
    def hello(self):
        return self.export("layout", "-t", "hello:1", HELLO)

    def test_skopeo_inspects_the_layout(self):
        need_tool("skopeo")
        layout = self.hello()
        seen = json.loads(self.command("skopeo", "inspect", f"oci:{layout}").stdout)
        image = open_layout(layout)
        self.assertEqual(seen["Digest"], image.digest)
        self.assertEqual(seen["Layers"], [layer["digest"] for layer in image.manifest["layers"]])
        self.assertEqual(seen["Architecture"], image.config["architecture"])
        self.command("skopeo", "inspect", "--config", f"oci:{layout}")

    def test_skopeo_copies_out_of_the_store_in_place(self):
        need_tool("skopeo")
        self.build("-t", "hello:1", HELLO)
        copy = self.path("copy")
        self.command("skopeo", "copy", f"oci:{self.store}:hello:1", f"oci:{copy}:hello")
        self.assertEqual(open_layout(copy).digest, open_layout(self.hello()).digest)

    def test_skopeo_copies_archives_of_both_kinds(self):
        need_tool("skopeo")
        for kind, transport in (("oci", "oci-archive"), ("docker", "docker-archive")):
            archive, copy = self.path(f"{kind}.tar"), self.path(f"{kind}-copy")
            self.build("-t", "hello:1", "-o", f"type={kind},dest={archive}", HELLO)
            self.command("skopeo", "--insecure-policy", "copy", f"{transport}:{archive}", f"oci:{copy}:hello")
            self.assertEqual(differences(tree_of_image(open_layout(copy)), tree_of_image(open_layout(archive))), [])

    def test_umoci_unpacks_the_same_files_and_crun_runs_them(self):
        layout = self.hello()
        bundle = unpack_with_umoci(self, layout, "1")
        self.assertEqual(differences(tree_of_image(open_layout(layout)), tree_of_folder(os.path.join(bundle, "rootfs"))), [])
        ran = run_with_crun(self, bundle)
        self.assertEqual(ran.status, 0, ran.stderr)
        self.assertIn("Hello, world!", ran.stdout)
        self.assertIn("8 greetings", ran.stdout)

    def test_podman_loads_the_archive(self):
        archive = self.path("hello.tar")
        for kind in ("docker", "oci"):
            self.build("-t", "hello:1", "-o", f"type={kind},dest={archive}", HELLO)
            containers(self, "podman", "load", "--quiet", "--input", archive)
            listing = json.loads(containers(self, "podman", "images", "--format", "json").stdout)
            digest = open_layout(archive).manifest["config"]["digest"].partition(":")[2]
            self.assertIn(digest, [image["Id"] for image in listing])
            self.assertTrue(any("hello:1" in name for image in listing for name in image["Names"] or []), listing)
            containers(self, "podman", "rmi", "--force", digest)


class Buildah(EndToEnd):
    """The same Buildfile, built by buildah: the file trees agree but for time."""

    def compare(self, tree):
        tar = busybox_tar(self)
        self.imgbuild("import", tar, "localhost/busybox:latest")
        base_for_buildah(self, tar, "localhost/busybox:latest")
        context = self.context(tree)
        ours = open_layout(self.export("ours", context))
        theirs = open_layout(build_with_buildah(self, context), "peer")
        our_tree, their_tree = tree_of_image(ours), tree_of_image(theirs)
        for path in MOUNT_POINTS_OF_BUILDAH - set(our_tree):
            their_tree.pop(path, None)
        self.assertEqual(differences(our_tree, their_tree), [])
        self.compare_configs(ours.config["config"], theirs.config["config"])
        return our_tree

    def compare_configs(self, ours, theirs):
        for field in (set(ours) | set(theirs)) - EXPECTED_CONFIG_DIFFERENCES:
            self.assertEqual(ours.get(field), theirs.get(field), f"config field {field}")

    def test_files_from_the_context(self):
        tree = self.compare({
            "Buildfile": "FROM localhost/busybox\nWORKDIR /app/deep\nCOPY a b/ ./\nCOPY b /b\nCOPY d/link /followed\n"
                         "COPY d /d\nCOPY --chown=33:8 a /owned/\nCOPY a /etc/new/\nADD a /added\nCOPY *.txt /texts/\n",
            "a": "alpha\n", "b/one": "1\n", "b/two/three": File(b"3\n", 0o755), "d/link": Link("file"), "d/file": "f\n",
            "d/dangling": Link("/nowhere"), "d/empty": None, "x.txt": "x\n", "y.txt": "y\n",
        })
        self.assertEqual(tree["owned/a"].uid, 33)

    def test_what_commands_do_to_files(self):
        self.compare({
            "Buildfile": "FROM localhost/busybox\n"
                         "RUN mkdir -p /d/e && echo x > /d/f && ln -s f /d/l && ln /d/f /d/h && mkfifo /d/p && chmod 1777 /d/e\n"
                         "RUN rm /d/h && mv /d/f /d/g && chown 33:33 /d/g && chmod 4711 /d/g\n"
                         "RUN rm -rf /d/e && echo now-a-file > /d/e && rm /d/l && mkdir /d/l && touch /d/l/x\n"
                         "RUN rm -rf /d/l && mkdir /d/l && rm -rf /home && ln -s /d /home\n"
                         "RUN chmod 700 /etc && echo more >> /etc/passwd && rm /etc/group\n",
        })

    def test_stages_variables_and_ignore_rules(self):
        self.compare({
            "Buildfile": "ARG NAME=value\nFROM localhost/busybox AS one\nARG NAME\nENV A=$NAME B=\"two words\"\n"
                         "RUN echo $A-$B-$NAME > /vars\nFROM localhost/busybox\nENV C=${MISSING:-default}\n"
                         "COPY --from=one /vars /from/one\nCOPY . /all/\nWORKDIR /all\nWORKDIR deeper\nRUN pwd > where\n"
                         "USER nobody\nRUN id > /tmp/id\nEXPOSE 80 443/udp\nVOLUME /vol\nSTOPSIGNAL SIGQUIT\n"
                         "ENTRYPOINT [\"/bin/echo\"]\nCMD [\"a\", \"b\"]\n",
            ".dockerignore": "Buildfile\n.dockerignore\n*.log\n!keep.log\nskip\n",
            "a": "alpha\n", "x.log": "x\n", "keep.log": "keep\n", "skip/this": "x\n", "sub/y.log": "y\n", "sub/z": "z\n",
        })

    def test_the_hello_example(self):
        tree = {}
        for folder, _, names in os.walk(HELLO):
            for name in names:
                full = os.path.join(folder, name)
                with open(full, "rb") as file:
                    tree[os.path.relpath(full, HELLO)] = File(file.read(), os.stat(full).st_mode & 0o777)
        text = tree["Buildfile"].data.decode().replace("FROM busybox", "FROM localhost/busybox")
        self.compare({**tree, "Buildfile": text})
