#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the plans of the Buildfiles in plans/ with what stands beside them: NAME.Buildfile is planned with the
arguments of its first line (`# plan: ARGUMENTS`), and NAME.plan is what `imgbuild plan` prints.

usage: test_plans.py IMGBUILD
IMGBUILD_ACCEPT=1 rewrites what differs and ends with status 77, which the test runner counts as skipped.
"""

import difflib
import glob
import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile

PLANS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "plans")
SKIPPED = 77
# The embedded base is made of Debian's busybox: another version has another digest, here and there.
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def plan_of(program, store, path):
    with open(path, encoding="utf-8") as file:
        arguments = shlex.split(file.readline().partition("# plan:")[2])
    done = subprocess.run([program, "plan", "--offline", "--store", store, *arguments, "-f", os.path.basename(path), "."],
                          cwd=PLANS, capture_output=True, text=True, timeout=60, check=False)
    text = f"exit status {done.returncode}\n{done.stderr}" if done.returncode else done.stderr + done.stdout
    return DIGEST.sub("sha256:…", text)


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


def main():
    if platform.machine() != "x86_64":
        print("the plans are those of linux/amd64: skipped")
        return SKIPPED
    accept = os.environ.get("IMGBUILD_ACCEPT") == "1"
    counts = {"passed": 0, "failed": 0}
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(glob.glob(os.path.join(PLANS, "*.Buildfile"))):
            golden = path.removesuffix(".Buildfile") + ".plan"
            wanted, got = read(golden), plan_of(os.path.abspath(sys.argv[1]), os.path.join(folder, "store"), path)
            counts["passed" if wanted == got else "failed"] += 1
            if accept and wanted != got:
                with open(golden, "w", encoding="utf-8") as file:
                    file.write(got)
            elif wanted != got:
                print("".join(difflib.unified_diff(wanted.splitlines(True), got.splitlines(True), golden, "got")))
    print(f"{counts['passed']} passed, {counts['failed']} failed, 0 skipped")
    return SKIPPED if accept else 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
