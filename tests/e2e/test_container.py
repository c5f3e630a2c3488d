# SPDX-License-Identifier: Apache-2.0
"""RUN in an ordinary container: Docker's capabilities and system call filter, no mount and no namespace to be had."""

import os
import subprocess

from support.case import ROOT, EndToEnd, write_tree
from support.container import need_container
from support.judges import unpack_with_umoci
from support.oci import open_layout
from support.tree import differences, tree_of_folder, tree_of_image

HELLO = os.path.join(ROOT, "examples", "hello")
CI_IMAGE = os.path.join(ROOT, "examples", "ci-image")
NOTE = "commands are isolated from this machine by a chroot only"


class InContainer(EndToEnd):
    def setUp(self):
        super().setUp()
        self.container = need_container(self)

    def give(self, tree, name="work"):
        """Writes a context into the container and gives its path there."""
        write_tree(os.path.join(self.container.root, name), tree)
        return f"/{name}"

    def tree_without_store(self):
        return {path: node for path, node in tree_of_folder(self.container.root).items()
                if path.split("/")[0] not in ("store", "work", "tmp", "opt", "proc", "sys", "dev")}

    def processes(self):
        """Command lines of what runs below the container's root."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.path.realpath(f"/proc/{pid}/root").startswith(self.container.root):
                    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                        found.append(file.read())
            except OSError:
                continue
        return found

    def test_the_image_is_the_same_and_the_container_stays_as_it_was(self):
        tree = {
            "Buildfile": "FROM busybox\n"
                         "RUN echo a > /a && ln /a /b && chown 33:8 /a && chmod 4711 /a && mkfifo /p && mknod /n c 1 3\n"
                         "RUN rm -r /home && mkdir -p /home/x && ln -s /proc/self/fd/1 /log && echo more >> /etc/passwd\n"
                         "RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=target=/m "
                         "cp /m/Buildfile /copy; date > /c/x; date > /t/x; hostname > /host; echo x > /dev/shm/y\n"
                         "WORKDIR /w\nUSER nobody\nRUN id > /tmp/id; (sleep 1000 &) ; readlink /proc/self/exe > /tmp/exe\n",
        }
        expected = open_layout(self.export("outside", self.context(tree)))
        place = self.give(tree)
        before = self.tree_without_store()
        ran = self.container.run("imgbuild", "build", "--progress=plain", place)
        self.assertIn(f"image {expected.digest}", ran.stderr)
        self.assertIn(NOTE, ran.stderr)
        self.assertEqual(differences(before, self.tree_without_store()), [])
        self.assertEqual(self.processes(), [])
        again = self.container.run("imgbuild", "build", "--progress=plain", place)
        self.assertIn("CACHED", again.stderr)
        self.container.run("imgbuild", "fsck")

    def test_doctor_says_what_is_in_the_way_of_the_better_ones(self):
        said = self.container.run("imgbuild", "doctor").stdout
        self.assertRegex(said, r"\nroot +no: ")
        self.assertRegex(said, r"\nuserns +no: ")
        self.assertRegex(said, r"\nchroot +yes")

    def test_a_secret_is_read_and_nowhere_written(self):
        script = ("set -e; test -s /run/secrets/key; cmp /run/secrets/key /etc/k; test $(wc -c < /etc/k) = 16; "
                  "su -s /bin/sh nobody -c 'cat /run/secrets/key' && exit 1; stat -c %a:%g /run/secrets/key > /mode; "
                  "! echo x > /etc/k; exit ")
        for status in (0, 3):
            place = self.give({
                "Buildfile": "FROM busybox\nRUN --mount=type=secret,id=key,mode=0440,gid=8 "
                             f"--mount=type=secret,id=key,target=/etc/k {script}{status}\n",
                "secret": "open-sesame-4711"})
            self.container.run("imgbuild", "build", "--secret", f"id=key,src={place}/secret", "--progress=plain", place,
                               status=1 if status else 0)
            self.command("grep", "-rqF", "open-sesame", os.path.join(self.container.root, "store"), status=1)

    def test_a_cache_mount_comes_back_also_when_the_command_fails(self):
        place = self.give({"Buildfile": "FROM busybox\nRUN --mount=type=cache,target=/var/cache/x echo 1 >> /var/cache/x/f; exit 1\n",
                           "second/Buildfile": "FROM busybox\nRUN --mount=type=cache,target=/var/cache/x cat /var/cache/x/f\n"})
        for _ in range(2):
            self.container.run("imgbuild", "build", place, status=1)
        ran = self.container.run("imgbuild", "build", "--progress=plain", place + "/second")
        self.assertRegex(ran.stderr, r"#\d+ [\d.]+ 1\n#\d+ [\d.]+ 1\n")

    def test_nothing_survives_a_build_that_is_killed(self):
        place = self.give({"Buildfile": "FROM busybox\nRUN (setsid sleep 1001 &) ; sleep 1002\n"})
        self.container.run("sh", "-c", f"imgbuild build --progress=plain {place} & sleep 2; kill -9 $!; sleep 2; ps | grep -c "
                           "'[s]leep 100'", status=1)
        self.assertEqual(os.listdir(os.path.join(self.container.root, "store", "deltas", "plain", "roots")), [])


class CiImage(EndToEnd):
    def test_it_builds_an_image_in_a_container_of_its_own(self):
        program = os.path.dirname(os.path.realpath(self.program))
        certificates = self.context({"ca-certificates.crt": "none\n"}, "certificates")
        layout = self.export("image", "--build-context", f"program={program}", "-t", "ci:1",
                             "--build-context", f"certificates={certificates}", CI_IMAGE)
        container = need_container(self, unpack_with_umoci(self, layout, "1"))
        subprocess.run(["cp", "-r", HELLO, os.path.join(container.root, "work")], check=True)
        built = container.run("imgbuild", "build", "-q", "/work/hello", env={"PATH": "/usr/local/bin:/bin"})
        self.assertEqual(built.stdout.strip(), open_layout(self.export("hello", HELLO)).digest)
        self.assertEqual(tree_of_image(open_layout(layout))["usr/local/bin/imgbuild"].mode & 0o111, 0o111)
