# SPDX-License-Identifier: Apache-2.0
"""The rung where nothing can be mounted: what it costs, counted in system calls, and what a kill leaves."""

import contextlib
import os
import re
import signal
import time
import unittest

from support.case import EndToEnd, need_tool

FILES = 300


def descendants(ancestor):
    """The processes that it started, and those that they did."""
    parents = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            parents[int(pid)] = int(file.read().rpartition(")")[2].split()[1])
    found = [ancestor]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


class WithoutMounts(EndToEnd):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("needs root, as the rung does")

    def test_a_cache_mount_outlives_a_kill_of_everything_while_a_command_has_it(self):
        chroot = ("--root-mode=chroot", "-o", "type=cacheonly")
        mount = "--mount=type=cache,target=/var/cache/kept"
        begun = f"imgbuild-e2e-begun-{os.getpid()}"
        files = self.context({"Buildfile": f"FROM busybox\nRUN {mount} echo first > /var/cache/kept/a\n"
                                           f"RUN {mount} echo {begun}; echo second > /var/cache/kept/b; sleep 1000\n"})
        process = self.start("build", "--progress=plain", *chroot, files)
        end = time.monotonic() + 120
        while not any(line.rstrip().endswith(begun) for line in iter(process.stderr.readline, "")):
            self.assertLess(time.monotonic(), end)
        time.sleep(0.2)
        everything = [process.pid, *descendants(process.pid)]
        self.assertGreater(len(everything), 3)
        for word in (signal.SIGSTOP, signal.SIGKILL):  # or who sees the other's end puts things in order
            for pid in everything:
                os.kill(pid, word)
        process.wait()
        later = self.context({"Buildfile": f"FROM busybox\nRUN {mount} cat /var/cache/kept/a /var/cache/kept/b\n"}, "later")
        said = self.build(*chroot, later).stderr
        self.assertRegex(said, r"#\d+ [0-9.]+ first\n#\d+ [0-9.]+ second\n")

    def test_after_a_step_each_file_is_looked_at_once_and_none_is_read(self):
        need_tool("strace")
        tree = {f"data/f{number:03d}": f"{number}\n" for number in range(FILES)}
        files = self.context({"Buildfile": "FROM busybox\nCOPY data /data\nRUN echo a > /a\nRUN rm /data/f000\n", **tree})
        chroot = ("--root-mode=chroot", "-o", "type=cacheonly")
        self.build(*chroot, files)  # everything but the last step is known, and laid down, when it is counted
        with open(os.path.join(files, "Buildfile"), "a", encoding="ascii") as file:
            file.write("RUN echo b > /b\n")
        trace = self.path("trace")
        self.command("strace", "-f", "-y", "-qq", "-o", trace, "-e", "trace=newfstatat,statx,openat,openat2",
                     self.program, "build", "-q", *chroot, files)
        with open(trace, encoding="utf-8", errors="replace") as file:
            lines = [line for line in file if re.search(r"/root/data>, \"f\d+\"", line)]
        looks = [line for line in lines if re.search(r"(newfstatat|statx)\(", line)]
        reads = [line for line in lines if "openat" in line and "O_WRONLY" not in line and "O_RDWR" not in line
                 and "O_PATH" not in line]
        # Before the command, after it, and when the root is made ready for the next one.
        self.assertEqual(len(looks), 3 * (FILES - 1), "".join(looks[:5]))
        self.assertEqual(reads, [])


if __name__ == "__main__":
    unittest.main()
