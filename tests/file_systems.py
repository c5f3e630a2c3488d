#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of what lies on disk (snapshots, random trees) on file systems of several kinds, one after the other.

usage: file_systems.py [--seeds N] [--kinds LIST] LAYERSTORE_TEST
  --seeds N     random trees for each law (default 4)
  --kinds LIST  of ext4, tmpfs, xfs, btrfs (default: all)
On an overlay no removal can be spelt, so that snapshots cannot stand there. A file system that this machine does not have is skipped, with the reason.
exit status: 0 when no test failed, 77 when none ran.
"""

import argparse
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from support.filesystems import KINDS, mounted  # noqa: E402  (the path is set above)

SKIPPED = 77  # as meson reads it


def run_tests(program, folder, seeds):
    """The exit status of the tests with everything they make below `folder`."""
    environment = {**os.environ, "TMPDIR": folder, "IMGBUILD_TEST_SEEDS": str(seeds)}
    return subprocess.run([program, "--source-file=*layerstore/snapshot/*"], env=environment, check=False).returncode


def main():
    parser = argparse.ArgumentParser(description="run the tests of snapshots on several file systems")
    parser.add_argument("program")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=[kind for kind in KINDS if kind != "overlay"])
    options = parser.parse_args()
    statuses = []
    for kind in options.kinds:
        try:
            with mounted(kind) as folder:
                print(f"== {kind}", flush=True)
                statuses.append(run_tests(os.path.abspath(options.program), folder, options.seeds))
        except unittest.SkipTest as reason:
            print(f"skipped: {kind}: {reason}", flush=True)
    return SKIPPED if not statuses else int(any(statuses))


if __name__ == "__main__":
    sys.exit(main())
