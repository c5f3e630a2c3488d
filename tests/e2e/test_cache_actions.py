# SPDX-License-Identifier: Apache-2.0
"""Caches in the cache service of GitHub Actions, by both of its protocols."""

import os
import subprocess

from support.actions import MAIN, READ, WRITE, ActionsServer
from support.caches import Exchange

RANDOM = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /uuid\nCOPY source /\n"
TOPIC = "refs/pull/7/merge"


class Actions(Exchange):
    """A job on the main branch; the service is asked by `version` of its protocols."""

    version = 2

    def setUp(self):
        super().setUp()
        self.server = ActionsServer(self)
        self.token = self.server.token((MAIN, READ | WRITE))

    def tearDown(self):
        self.assertEqual(self.server.mistakes, [])

    def environment(self, **more):
        return super().environment(**self.server.variables(self.token, self.version), **more)

    def option(self, flag, place, attributes):
        return f"{flag}=" + ",".join(f"{key}={value}" for key, value in {"type": "gha", **attributes}.items())

    def simple(self):
        self.change("Buildfile", RANDOM)

    def assert_nothing_holds_the_token(self, *texts):
        for text in texts:
            self.assertNotIn(self.token, text)
        found = subprocess.run(["grep", "-rlF", self.token, self.store, self.home, self.temporary],
                               capture_output=True, text=True, check=False)
        self.assertEqual((found.returncode, found.stdout), (1, ""), found.stderr)


class Jobs(Actions):
    def test_the_next_job_finds_everything_by_either_protocol(self):
        for self.version in 1, 2:
            with self.subTest(version=self.version):
                scope = f"by{self.version}"
                exporting, first = self.told(self.to(mode="max", scope=scope))
                self.forget()
                importing, again = self.told(self.source(scope=scope), "--require-cached")
                self.assertEqual(again, first)
                self.assertNotIn("warning", exporting + importing)
                self.assert_nothing_holds_the_token(exporting, importing)
                self.assert_store_is_sound()
                self.forget()

    def test_large_layers_go_in_blocks(self):
        self.change("Buildfile", "FROM scratch\nCOPY big /\n")
        with open(os.path.join(self.files, "big"), "wb") as file:
            file.truncate(33 << 20)
        for self.version in 1, 2:
            with self.subTest(version=self.version):
                self.imgbuild("build", "-q", self.to(), "-o", f"type=oci,dest={self.path('out')},compression=uncompressed",
                              self.files)
                large = [entry for entry in self.server.finished("imgbuild-blob-") if len(entry.parts) > 1]
                self.assertEqual(len(large), 1)
                self.server.entries.clear()

    def test_a_job_of_a_branch_finds_what_main_did_and_its_own(self):
        self.simple()
        first = self.digest(self.to())
        self.token = self.server.token((TOPIC, READ | WRITE), (MAIN, READ))
        self.change("Buildfile", RANDOM + "RUN cat /proc/sys/kernel/random/uuid > /topic\n")
        self.forget()
        told, topic = self.told(self.source(), self.to())
        self.assertNotIn("warning", told)
        self.forget()
        self.assertEqual(self.digest(self.source(), "--require-cached"), topic)
        self.change("Buildfile", RANDOM)
        self.token = self.server.token((MAIN, READ | WRITE))
        self.forget()
        self.assertEqual(self.digest(self.source(), "--require-cached"), first)

    def test_a_pull_request_from_a_fork_reads_and_does_not_write(self):
        self.simple()
        first = self.digest(self.to())
        known = len(self.server.entries)
        # A token that tells its rights, and one whose rights the service alone knows.
        teller = self.server.token((MAIN, READ))
        self.server.tokens["opaque-token"] = [(MAIN, READ)]
        for self.version, self.token in (2, teller), (1, "opaque-token"), (2, "opaque-token"):
            with self.subTest(version=self.version, tells=self.token == teller):
                self.forget()
                told, digest = self.told(self.source(), self.to())
                self.assertIn("warning: the cache is not exported", told)
                self.assertRegex(told, "may read the cache and not write it|cache write denied")
                self.assert_nothing_holds_the_token(told)
                if self.token == teller:
                    self.assertEqual(digest, first)
        self.build(self.to(**{"ignore-error": "false"}), self.files, status=3)
        self.assertEqual(len(self.server.entries), known)

    def test_a_failed_build_leaves_what_it_finished(self):
        self.assert_a_failed_build_leaves_what_it_finished()

    def test_jobs_that_export_at_once_lose_nothing(self):
        folders = [self.context({"Buildfile": f"FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /{number}\n"},
                                f"commit{number}") for number in range(4)]
        for name, arguments in ("first", []), ("second", ["--require-cached"]):
            processes = [self.start("build", "-q", self.source(), self.to(), *arguments, folder,
                                    env={"IMGBUILD_STORE": self.path(f"{name}-{number}")})
                         for number, folder in enumerate(folders)]
            for process in processes:
                self.finish(process)

    def test_a_service_that_is_not_there_is_a_warning(self):
        self.simple()
        self.token = "no-such-token"
        result = self.build(self.source(), self.to(), self.files)
        self.assertIn("needs a login (HTTP 401)", result.stderr)
        self.assert_nothing_holds_the_token(result.stderr)
        self.server.address = "http://127.0.0.1:9"
        self.assertIn("the cache is not exported", self.build(self.to(), self.files).stderr)
