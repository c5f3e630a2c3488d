# SPDX-License-Identifier: Apache-2.0
"""Full disks, interrupts, kills, and two builds at once: the store is sound afterwards."""

import os
import random
import signal
import time
import uuid

from support.case import EndToEnd
from support.mounts import mount_small, resize

SECONDS_TO_START = 60


def processes_with(text):
    """Process ids whose command line contains `text`."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    if text.encode() in file.read():
                        found.append(int(name))
            except OSError:
                pass
    return found


class Interrupts(EndToEnd):
    def start_sleeper(self):
        """A build that is in the middle of a RUN; gives the process and what its command line holds."""
        mark = uuid.uuid4().hex
        files = self.context({"Buildfile": f"FROM busybox\nRUN echo early > /a\nRUN : {mark}; sleep 1000 & sleep 1000; :\n"})
        process = self.start("build", "--progress=plain", files)
        deadline = time.monotonic() + SECONDS_TO_START
        while not [pid for pid in processes_with(mark) if pid != process.pid]:
            self.assertIsNone(process.poll(), "the build ended before its RUN began")
            self.assertLess(time.monotonic(), deadline, "the RUN did not begin")
            time.sleep(0.02)
        return process, mark

    def end_with(self, signal_number, status):
        process, mark = self.start_sleeper()
        begun = time.monotonic()
        os.killpg(process.pid, signal_number)
        result = self.finish(process, status, limit=30)
        self.assertLess(time.monotonic() - begun, 10)
        self.assert_nothing_is_left(mark)
        self.assert_store_is_sound()
        return result

    def assert_nothing_is_left(self, mark):
        deadline = time.monotonic() + 5
        while processes_with(mark) or processes_with(self.folder):
            self.assertLess(time.monotonic(), deadline, "processes are left behind")
            time.sleep(0.05)
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            self.assertNotIn(self.folder, mounts.read())

    def test_ctrl_c_during_a_run(self):
        result = self.end_with(signal.SIGINT, 130)
        self.assertIn("interrupted", result.stderr)

    def test_terminate_during_a_run(self):
        self.end_with(signal.SIGTERM, 143)

    def test_the_step_before_the_interrupt_is_kept(self):
        self.end_with(signal.SIGINT, 130)
        self.build("--require-cached", self.context({"Buildfile": "FROM busybox\nRUN echo early > /a\n"}, "short"))

    def test_a_killed_build_leaves_nothing_running_and_a_sound_store(self):
        process, mark = self.start_sleeper()
        os.kill(process.pid, signal.SIGKILL)
        self.finish(process, -signal.SIGKILL)
        self.assert_nothing_is_left(mark)
        self.build(self.context({"Buildfile": "FROM busybox\nRUN echo early > /a\n"}, "short"))
        self.assert_store_is_sound()


class KilledAtAnyTime(EndToEnd):
    ROUNDS = 12

    def test_the_same_build_gives_the_same_image_afterwards(self):
        files = self.context({"Buildfile": "FROM busybox\nCOPY data /data\nRUN cp -r /data /copy && rm /data/0\n"
                                           "RUN echo end > /end\n",
                              **{f"data/{i}": os.urandom(4000) for i in range(200)}})
        begun = time.monotonic()
        expected = self.imgbuild("build", "-q", files, env={"IMGBUILD_STORE": self.path("reference")}).digest
        whole = time.monotonic() - begun
        chance = random.Random(2)
        for _ in range(self.ROUNDS):
            process = self.start("build", "-q", files)
            time.sleep(chance.uniform(0, whole))
            os.killpg(process.pid, signal.SIGKILL)
            self.finish(process, None)
            self.assert_store_is_sound()
        self.assertEqual(self.imgbuild("build", "-q", files).digest, expected)
        self.assert_store_is_sound()


class FullDisk(EndToEnd):
    def test_a_store_that_fills_while_packing_says_so_and_goes_on_when_there_is_room(self):
        mount_small(self, self.make_folder("store"), "24m")
        files = self.context({"Buildfile": "FROM busybox\nRUN echo kept > /a\nCOPY big /big\n",
                              "big": random.Random(1).randbytes(40 << 20)})
        self.refuse("-t", "app:1", files, status=6, says="No space left")
        resize(self.store, "200m")
        result = self.build("-t", "app:1", files)
        self.assertGreaterEqual(result.cached_steps, 1)
        self.assert_store_is_sound()

    def test_a_run_that_fills_the_disk(self):
        mount_small(self, self.make_folder("store"), "24m")
        files = self.context({"Buildfile": "FROM busybox\nRUN dd if=/dev/urandom of=/big bs=1048576 count=64\n"})
        result = self.build(files, status=None)
        self.assertIn(result.status, (1, 6))
        self.assertIn("No space left", result.stderr)
        self.assert_store_is_sound()


class TwoAtOnce(EndToEnd):
    def test_two_builds_of_the_same_on_one_store(self):
        files = self.context({"Buildfile": "FROM busybox\nCOPY a /a\nRUN sleep 1; cp /a /b\n", "a": "alpha\n"})
        running = [self.start("build", "-q", "-t", "app:1", files) for _ in range(2)]
        digests = {self.finish(process).digest for process in running}
        self.assertEqual(len(digests), 1)
        self.assert_store_is_sound()

    def test_what_two_builds_need_is_run_once(self):
        files = self.context({"Buildfile": "FROM busybox\nRUN sleep 1; cat /proc/sys/kernel/random/uuid > /id\n"})
        running = [self.start("build", "-q", files) for _ in range(2)]
        digests = {self.finish(process).digest for process in running}
        self.assertEqual(len(digests), 1)

    def test_different_builds_on_one_store(self):
        running = []
        for number in range(4):
            files = self.context({"Buildfile": f"FROM busybox\nRUN echo {number} > /number\nCOPY a /a\n", "a": "a\n"},
                                 f"context{number}")
            running.append(self.start("build", "-q", "-t", f"app:{number}", files))
        for process in running:
            self.finish(process)
        listing = self.imgbuild("images").stdout
        for number in range(4):
            self.assertRegex(listing, rf"app\s*:?\s*{number}\b")
        self.assert_store_is_sound()
