# SPDX-License-Identifier: Apache-2.0
"""What is known is not done again, and what changed is."""

import json
import os

from support.case import EndToEnd

# Every RUN leaves a random value: the same digest twice means that it did not run twice.
BUILDFILE = """
FROM busybox
WORKDIR /app
COPY first ./
RUN cat /proc/sys/kernel/random/uuid > uuid1
COPY second ./
RUN cat /proc/sys/kernel/random/uuid > uuid2
CMD ["true"]
"""


class Cache(EndToEnd):
    def setUp(self):
        super().setUp()
        self.files = self.context({"Buildfile": BUILDFILE, "first": "1\n", "second": "2\n"})

    def digest(self, *arguments):
        return self.imgbuild("build", "-q", *arguments, self.files).digest

    def change(self, name, text):
        with open(os.path.join(self.files, name), "w", encoding="ascii") as file:
            file.write(text)

    def test_a_second_build_does_nothing_again(self):
        first = self.build(self.files)
        self.assertEqual(first.cached_steps, 0)
        second = self.build(self.files)
        self.assertGreaterEqual(second.cached_steps, 2)
        self.assertEqual(self.digest("--require-cached"), self.digest())

    def test_the_same_digest_and_no_second_run(self):
        self.assertEqual(self.digest(), self.digest())

    def test_no_cache_runs_everything_again(self):
        self.assertNotEqual(self.digest(), self.digest("--no-cache"))

    def test_a_changed_file_runs_what_stands_behind_it_and_nothing_before(self):
        before = self.tree_ids()
        self.change("second", "two\n")
        after = self.tree_ids()
        self.assertEqual(before["uuid1"], after["uuid1"])
        self.assertNotEqual(before["uuid2"], after["uuid2"])

    def tree_ids(self):
        out = self.path("out")
        self.build("-o", f"type=local,dest={out}", self.files)
        ids = {}
        for name in ("uuid1", "uuid2"):
            with open(os.path.join(out, "app", name), encoding="ascii") as file:
                ids[name] = file.read()
        return ids

    def test_a_touched_file_changes_nothing(self):
        before = self.digest()
        os.utime(os.path.join(self.files, "first"), (1_800_000_000, 1_800_000_000))
        self.assertEqual(self.digest(), before)

    def test_a_changed_mode_is_a_change(self):
        before = self.digest()
        os.chmod(os.path.join(self.files, "first"), 0o600)
        self.assertNotEqual(self.digest(), before)

    def test_a_file_that_nothing_copies_changes_nothing(self):
        before = self.digest()
        self.change("third", "not copied\n")
        self.assertEqual(self.digest(), before)

    def test_a_config_instruction_makes_no_step_run(self):
        self.build(self.files)
        self.change("Buildfile", BUILDFILE + "LABEL new=one\nENV LATE=1\n")
        self.digest("--require-cached")

    def test_a_step_that_gives_the_same_again_does_not_disturb_what_follows(self):
        text = "FROM busybox AS a\nRUN true {} && echo same > /out\nFROM busybox\nCOPY --from=a /out /out\n" \
               "RUN cat /proc/sys/kernel/random/uuid > /uuid\n"
        self.change("Buildfile", text.format("once"))
        before = self.digest()
        self.change("Buildfile", text.format("twice"))
        self.assertEqual(self.digest(), before)

    def test_require_cached_fails_with_its_own_exit_code(self):
        self.build("--require-cached", self.files, status=5)
        self.assert_store_is_sound()

    def test_a_failed_build_keeps_what_was_finished(self):
        self.change("Buildfile", BUILDFILE + "RUN false\n")
        self.build(self.files, status=1)
        self.change("Buildfile", BUILDFILE)
        self.digest("--require-cached")

    def test_a_cache_mount_keeps_its_content_and_stays_out_of_the_image(self):
        self.change("Buildfile", "FROM busybox\nARG N=1\nRUN --mount=type=cache,target=/cache "
                                 "echo $N >> /cache/log && cp /cache/log /seen\n")
        self.build(self.files)
        out = self.path("out")
        self.build("--build-arg", "N=2", "-o", f"type=local,dest={out}", self.files)
        with open(os.path.join(out, "seen"), encoding="ascii") as file:
            self.assertEqual(file.read(), "1\n2\n")
        self.assertFalse(os.path.exists(os.path.join(out, "cache", "log")))


class Explained(EndToEnd):
    """Why a step was done, and what the store remembers of builds."""

    BUILDFILE = "FROM busybox\nARG TOKEN=hunter1\nENV MODE=one\nCOPY src /app\nRUN cat /app/a\nRUN echo end\n"

    def setUp(self):
        super().setUp()
        self.files = self.context({"Buildfile": self.BUILDFILE, "src/a": "1\n", "src/b": "1\n"})

    def causes(self, *arguments):
        return [line.split(" because: ")[1] for line in self.build("--explain", *arguments, self.files).stderr.splitlines()
                if " because: " in line]

    def change(self, name, old, new):
        with open(os.path.join(self.files, name), encoding="ascii") as file:
            text = file.read()
        with open(os.path.join(self.files, name), "w", encoding="ascii") as file:
            file.write(text.replace(old, new))

    def test_each_cause_is_named(self):
        self.assertEqual(self.causes(), ["nothing like it was done before"] * 3)
        self.assertEqual(self.causes(), [])
        self.change("src/a", "1", "2")
        os.rename(os.path.join(self.files, "src", "b"), os.path.join(self.files, "src", "c"))
        below = "the result of the step before it changed"
        self.assertEqual(self.causes(), ["files of the source changed", "changed /app/a (content)", "removed /app/b",
                                         "added /app/c", below, below])
        self.assertEqual(self.causes("--build-arg", "TOKEN=hunter2"), ["environment TOKEN changed"] * 2)
        self.change("Buildfile", "ENV MODE=one", "ENV MODE=two\nENV NEW=1")
        self.assertEqual(self.causes("--build-arg", "TOKEN=hunter2"),
                         ["environment MODE changed", "environment NEW is new"] * 2)
        self.change("Buildfile", "echo end", "echo the end")
        self.assertEqual(self.causes("--build-arg", "TOKEN=hunter2"), ["the command changed"])
        self.assertEqual(self.causes("--no-cache", "--build-arg", "TOKEN=hunter2"), ["--no-cache asks for it"] * 3)

    def test_values_of_arguments_are_in_no_cause_and_no_record(self):
        self.build(self.files)
        self.assertNotIn("hunter", " ".join(self.causes("--build-arg", "TOKEN=hunter2")))
        self.assertNotIn("hunter", self.imgbuild("explain").stdout)
        for folder, _, names in os.walk(os.path.join(self.store, "builds")):
            for name in names:
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    self.assertNotIn("hunter", file.read())

    def test_a_build_is_explained_afterwards(self):
        self.build(self.files)
        self.build("--build-arg", "TOKEN=hunter2", self.files)
        self.assertIn("because: environment TOKEN changed", self.imgbuild("explain", "5").stdout)
        self.assertNotIn("COPY", self.imgbuild("explain", "5").stdout)
        self.assertIn("COPY", self.imgbuild("explain", "COPY src").stdout)
        listed = self.imgbuild("builds").stdout.splitlines()
        self.assertEqual(len(listed), 3)
        first = listed[2].split()[0]
        self.assertIn("nothing like it", self.imgbuild("explain", "--build", first).stdout)
        self.assertIn("no step", self.imgbuild("explain", "99", status=2).stderr)
        self.assertIn("no build", self.imgbuild("explain", "--build", "x", status=2).stderr)

    def test_a_failed_build_is_remembered_with_the_step_that_failed(self):
        self.change("Buildfile", "echo end", "false")
        self.build(self.files, status=1)
        self.assertIn("RUN false: failed", self.imgbuild("explain").stdout)
        self.assertIn("failed", self.imgbuild("builds").stdout)

    def test_what_is_required_and_not_cached_is_explained(self):
        self.build(self.files)
        refused = self.build("--require-cached", "--build-arg", "TOKEN=hunter2", self.files, status=5)
        self.assertIn("because: environment TOKEN changed", refused.stderr)

    def test_a_profile_is_a_trace_of_every_step(self):
        trace = self.path("trace.json")
        self.build("--profile", trace, self.files)
        with open(trace, encoding="utf-8") as file:
            events = json.load(file)["traceEvents"]
        self.assertEqual({event["ph"] for event in events}, {"X"})
        self.assertEqual(sum("RUN" in event["name"] for event in events), 2)
        self.assertTrue(all(event["dur"] >= 0 and event["ts"] >= 0 for event in events))
