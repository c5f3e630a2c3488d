# SPDX-License-Identifier: Apache-2.0
"""A sample of tests/differential: the same Buildfiles built by buildah. scripts/differential.sh runs all of them."""

import os
import sys
import unittest

from support.case import PROGRAM, ROOT, EndToEnd

COMPARE = os.path.join(ROOT, "tests", "differential", "run.py")
SKIPPED = 77


class Differential(EndToEnd):
    def test_a_sample_of_the_table_comes_out_as_with_buildah(self):
        done = self.command(sys.executable, COMPARE, "--sample", "--jobs", "2", status=None, env={"IMGBUILD": PROGRAM})
        if done.status == SKIPPED:
            raise unittest.SkipTest(done.stdout.strip())
        self.assertEqual(done.status, 0, done.stdout + done.stderr)
