# SPDX-License-Identifier: Apache-2.0
"""What is known is not done again, and what changed is."""

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
