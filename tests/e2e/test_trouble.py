# SPDX-License-Identifier: Apache-2.0
"""Full disks, interrupts, kills, and two builds at once: the store is sound afterwards."""

import contextlib
import os
import random
import signal
import sqlite3
import time
import uuid

from support.case import EndToEnd, need_root
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


class Readers(EndToEnd):
    """Whoever reads the progress may be slow, or gone."""

    def start_printer(self, count):
        """A build whose RUN prints `count` bytes."""
        files = self.context({"Buildfile": f"FROM busybox\nRUN yes printed | head -c {count}\nRUN echo done > /done\n"})
        return self.start("build", "--progress=plain", "-t", "app:1", files)

    def wait_until_it_stands_still(self, process):
        """Until the program sleeps in its write for a whole second."""
        begun = time.monotonic()
        before = None
        while time.monotonic() - begun < SECONDS_TO_START:
            with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
                spent = file.read().rsplit(")", 1)[1].split()[11:13]
            if spent == before:
                return
            before = spent
            time.sleep(1)
        self.fail("the build goes on although nobody reads what it prints")

    def test_output_that_nobody_reads_does_not_fill_memory_and_ctrl_c_still_ends_the_build(self):
        process = self.start_printer(200 << 20)
        self.wait_until_it_stands_still(process)
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
        self.assertLess(peak, 100 << 10, "kB")
        os.kill(process.pid, signal.SIGINT)
        self.assertEqual(process.wait(timeout=20), 130)
        self.assert_store_is_sound()

    def test_a_slow_reader_gets_every_line(self):
        process = self.start_printer(6 << 20)
        self.wait_until_it_stands_still(process)
        result = self.finish(process)
        self.assertEqual(result.stderr.count(" printed\n"), (6 << 20) // len("printed\n"))

    def test_a_reader_that_goes_away_stops_nothing(self):
        process = self.start_printer(2 << 20)
        process.stderr.readline()
        process.stderr.close()
        self.assertEqual(process.wait(timeout=60), 0)
        self.imgbuild("inspect", "app:1")

    def test_streams_that_are_closed_at_the_start_become_no_files_of_the_store(self):
        files = self.context({"Buildfile": "FROM busybox\nCOPY a /a\nRUN echo printed; cat /a\n", "a": "alpha\n"})
        done = self.command("sh", "-c", 'exec "$0" build --progress=plain -t app:1 "$1" <&- >&- 2>&-', self.program, files)
        self.assertEqual(done.stdout + done.stderr, "")
        self.imgbuild("inspect", "app:1")
        self.assert_store_is_sound()
        # A result that cannot be written is an error, as before.
        self.command("sh", "-c", 'exec "$0" build -q "$1" >&-', self.program, files, status=6)


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


class DamagedStore(EndToEnd):
    """Files of the store that were changed behind its back: noticed, named, and made again."""

    GOOD = "right\n"
    BUILDFILE = "FROM busybox\nRUN echo right > /word\n"

    def setUp(self):
        super().setUp()
        need_root()

    def files_of_deltas(self, name):
        found = []
        for folder, _, names in os.walk(os.path.join(self.store, "deltas")):
            if name in names and "/files" in folder:
                found.append(os.path.join(folder, name))
        return found

    def damage_delta(self):
        """Other bytes of the same length, with the times set back."""
        files = self.files_of_deltas("word")
        self.assertTrue(files)
        for file in files:
            before = os.stat(file)
            with open(file, "r+", encoding="ascii") as out:
                out.write("wrong\n")
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    def remove_layers(self):
        """All blobs that are no documents."""
        for name in os.listdir(os.path.join(self.store, "blobs", "sha256")):
            path = os.path.join(self.store, "blobs", "sha256", name)
            with open(path, "rb") as file:
                if file.read(1) != b"{":
                    os.unlink(path)

    def exported(self, *arguments):
        out = self.path("out" + uuid.uuid4().hex)
        self.build("-o", f"type=local,dest={out}", *arguments)
        return out

    def read(self, *parts):
        with open(os.path.join(*parts), encoding="ascii") as file:
            return file.read()

    def test_a_later_run_never_sees_a_damaged_delta(self):
        files = self.context({"Buildfile": self.BUILDFILE})
        self.build(files)
        self.damage_delta()
        more = self.context({"Buildfile": self.BUILDFILE + "RUN cp /word /copy\n"}, "more")
        self.assertEqual(self.read(self.exported(more), "copy"), self.GOOD)
        self.assert_store_is_sound()

    def test_nor_where_the_layer_is_gone_too(self):
        files = self.context({"Buildfile": self.BUILDFILE})
        self.build(files)
        self.damage_delta()
        self.remove_layers()
        more = self.context({"Buildfile": self.BUILDFILE + "RUN cp /word /copy\n"}, "more")
        out = self.exported(more)
        self.assertEqual((self.read(out, "word"), self.read(out, "copy")), (self.GOOD, self.GOOD))

    def test_no_cache_replaces_what_stands(self):
        files = self.context({"Buildfile": self.BUILDFILE})
        self.build(files)
        self.damage_delta()
        self.build("--no-cache", files)
        for file in self.files_of_deltas("word"):
            self.assertEqual(self.read(file), self.GOOD)
        self.assert_store_is_sound()

    def test_packing_a_damaged_delta_does_its_step_again(self):
        files = self.context({"Buildfile": self.BUILDFILE})
        first = self.imgbuild("build", "-q", files).digest
        self.damage_delta()
        self.remove_layers()
        again = self.build("-t", "app:1", files)
        self.assertNotIn("ERROR", again.stderr)
        self.assertIn("looking again", again.stderr)
        self.assertEqual(self.imgbuild("build", "-q", files).digest, first)
        self.assert_store_is_sound()

    def test_fsck_names_a_damaged_delta_and_repair_takes_it_away(self):
        files = self.context({"Buildfile": self.BUILDFILE})
        first = self.imgbuild("build", "-q", files).digest
        self.damage_delta()
        found = self.imgbuild("fsck", status=6)
        self.assertRegex(found.stdout, r"deltas/root/[0-9a-f]{64}: /word has another content\n")
        self.assertIn("(repaired)", self.imgbuild("fsck", "--repair").stdout)
        self.assert_store_is_sound()
        self.assertEqual(self.imgbuild("build", "-q", files).digest, first)

    def lose_a_node(self):
        """One tree node that others stand above."""
        with contextlib.closing(sqlite3.connect(os.path.join(self.store, "store.db"))) as database:
            size, = database.execute("SELECT min(length(value)) FROM node").fetchone()
            database.execute("DELETE FROM node WHERE length(value) = ?", (size,))
            database.commit()

    def test_a_lost_tree_node_is_found_and_after_the_repair_all_is_cached_again(self):
        files = self.context({"Buildfile": "FROM busybox\nCOPY a /d/e/a\nRUN cp -r /d /f\nCOPY --from=busybox /etc /etc2\n",
                              "a": "alpha\n"})
        self.build(files)
        self.lose_a_node()
        self.assertIn("missing", self.imgbuild("fsck", status=6).stdout)
        self.imgbuild("fsck", "--repair")
        self.assert_store_is_sound()
        self.build(files)
        self.assertNotIn("again", self.build("--require-cached", files).stderr)

    def test_a_damaged_database_is_reported_and_begun_anew(self):
        files = self.context({"Buildfile": self.BUILDFILE})
        self.build("-t", "app:1", files)
        with contextlib.closing(sqlite3.connect(os.path.join(self.store, "store.db"))) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with open(os.path.join(self.store, "store.db"), "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            for page in range(size // 4096 // 3, size // 4096 * 2 // 3):
                file.seek(page * 4096)
                file.write(b"\x5a" * 4096)
        self.assertIn("database", self.imgbuild("fsck", status=6).stdout)
        self.assertIn("begun anew", self.imgbuild("fsck", "--repair").stdout)
        self.assert_store_is_sound()
        self.assertIn("app", self.imgbuild("images").stdout)
        self.build(files)

    def test_a_damaged_format_says_how_to_mend_it(self):
        self.build(self.context({"Buildfile": "FROM scratch\nWORKDIR /a\n"}))
        with open(os.path.join(self.store, "format"), "w", encoding="ascii") as file:
            file.write("imgb")
        said = self.imgbuild("images", status=6).stderr
        for text in ('"imgbuild store 1"', f'"owner {os.geteuid()}"', "write them"):
            self.assertIn(text, said)
