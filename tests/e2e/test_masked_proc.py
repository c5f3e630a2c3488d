# SPDX-License-Identifier: Apache-2.0
"""Rungs 1b and 2b: where a container masks parts of its /proc, so that the kernel allows no new one, commands have the
/proc around and no process namespace. The image is the same, and nothing that a command leaves running survives."""

import os
import re
import time
import unittest

from support.case import EndToEnd, need_root, write_tree
from support.container import need_container

# What a container runtime does to /proc, and what gives root ids to hand out.
MASKED = """
set -e
for file in subuid subgid; do
  test -e /etc/$file || touch /etc/$file
  mount --bind "$0" /etc/$file
done
mount --bind /dev/null /proc/interrupts
if test -d /sys/firmware; then mount -t tmpfs -o ro masked /sys/firmware; fi
exec "$@"
"""
TEXT = """FROM busybox
RUN mkdir -p /d /tmp && chmod 1777 /tmp && chown 33:44 /d && echo x > /d/f && echo app:x:1000:1000::/:/bin/sh >> /etc/passwd && readlink /proc/self/exe > /exe && ls -d /proc/1 > /one
USER app
RUN id > /tmp/id 2>&1 && (setsid sleep 4712 &) && (sleep 4712 &) && exit 0
USER root
RUN test ! -s /proc/interrupts && ! (echo x > /proc/sys/kernel/core_pattern) 2>/dev/null && test ! -s /proc/keys
"""
FAILS = "FROM busybox\nRUN (setsid sleep 4713 &); sleep 4713\n"


class MaskedProc(EndToEnd):
    def setUp(self):
        super().setUp()
        need_root()
        self.ids = self.path("subordinate-ids")
        with open(self.ids, "w", encoding="ascii") as file:
            file.write("root:500000000:65536\n")

    def masked(self, *arguments, status=0):
        return self.command("unshare", "--mount", "sh", "-c", MASKED, self.ids, self.program, *arguments, status=status,
                            env={"IMGBUILD_STORE": self.path("masked-store")})

    def sleepers(self, seconds):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    if file.read() == b"sleep\0" + seconds + b"\0":
                        found.append(pid)
            except OSError:
                continue
        return found

    def test_the_image_is_the_same_and_nothing_is_left_running(self):
        context = self.context({"Buildfile": TEXT})
        expected = self.imgbuild("build", "-q", "--root-mode=root", context).stdout
        for mode in ("userns", "single"):
            built = self.masked("build", "--no-cache", "--progress=plain", f"--root-mode={mode}", "--iidfile", self.path("id"), context)
            with open(self.path("id"), encoding="ascii") as file:
                self.assertEqual(file.read().strip(), expected.strip(), mode)
            self.assertIn("commands see the processes of the container around", built.stderr)
            self.assertEqual(self.sleepers(b"4712"), [])

    def test_a_container_that_allows_user_namespaces_has_rung_2b(self):
        container = need_container(self, is_filtered=False)
        self.assertRegex(container.run("imgbuild", "doctor").stdout, r"\nsingle +yes, as rung 2b: parts of /proc are masked")
        text = "FROM busybox\nRUN echo x > /x && chown 5:6 /x && test \"$(stat -c %u:%g /x)\" = 5:6 && grep -q . /proc/self/status\n"
        write_tree(os.path.join(container.root, "context"), {"Buildfile": text})
        built = container.run("imgbuild", "build", "--progress=plain", "-o", "type=cacheonly", "/context")
        self.assertIn("commands run as one id", built.stderr)
        self.assertIn("commands see the processes of the container around", built.stderr)

    def test_a_command_that_takes_too_long_is_killed_with_all_that_it_started(self):
        context = self.context({"Buildfile": FAILS})
        begun = time.monotonic()
        said = self.masked("build", "--root-mode=userns", "--step-timeout=2s", context, status=1).stderr
        self.assertLess(time.monotonic() - begun, 60)
        self.assertRegex(said, "(?i)time")
        self.assertEqual(self.sleepers(b"4713"), [])

    def test_doctor_says_which_rungs_share_processes_and_what_opens_better_ones(self):
        said = self.masked("doctor").stdout
        reason = "parts of /proc are masked here, so the kernel allows no new one: this is a container"
        self.assertIn(f"\nuserns    yes, as rung 1b: {reason}\n", said)
        self.assertIn(f"\nsingle    yes, as rung 2b: {reason}\n", said)
        self.assertIn("try: start the container with --security-opt systempaths=unconfined (podman: unmask=ALL)\n", said)
        self.assertTrue(re.search(r"^root +yes$", said, re.MULTILINE), said)


if __name__ == "__main__":
    unittest.main()
