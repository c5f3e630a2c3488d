#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up what all tests of a run said and prints the closing line.

usage: summary.py FOLDER
The folder holds *.json (meson's testlog.json: one JSON object a line), *.summary (as written by tests/e2e/run.py:
"passed failed skipped") and *.status (one check: "pass" or "fail").
exit status: 0 when something passed and nothing failed.
"""

import json
import os
import re
import sys

DOCTEST = re.compile(r"\[doctest\] test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed \|\s*(\d+) skipped")
UNITTEST = re.compile(r"^Ran (\d+) tests? in", re.MULTILINE)
PASSED = ("OK", "EXPECTEDFAIL")


def count_one(test):
    """(passed, failed, skipped) of one meson test: its own cases where it says how many, else itself."""
    if test["result"] == "SKIP":
        return 0, 0, 1
    output = test.get("stdout", "") + test.get("stderr", "")
    succeeded = test["result"] in PASSED
    cases = DOCTEST.findall(output)
    if cases:
        passed, failed = (sum(int(case[column]) for case in cases) for column in (0, 1))
        # A binary may die behind its last case, of a leak for example.
        return passed, failed if succeeded else max(failed, 1), 0
    ran = UNITTEST.search(output)
    if succeeded:
        return int(ran.group(1)) if ran else 1, 0, 0
    return 0, 1, 0


def count_file(path):
    """(passed, failed, skipped) of one file of the folder."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if path.endswith(".status"):
        return (1, 0, 0) if text.strip() == "pass" else (0, 1, 0)
    if path.endswith(".summary"):
        passed, failed, skipped = (int(number) for number in text.split())
        return passed, failed, skipped
    counts = [count_one(json.loads(line)) for line in text.splitlines() if line.strip()]
    return tuple(sum(column) for column in zip(*counts)) if counts else (0, 1, 0)


def main():
    folder = sys.argv[1]
    totals = [0, 0, 0]
    for name in sorted(os.listdir(folder)):
        counts = count_file(os.path.join(folder, name))
        totals = [total + count for total, count in zip(totals, counts)]
        print(f"{name.rsplit('.', 1)[0]}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped")
    # A run whose end-to-end tests left no count did not finish.
    if not os.path.exists(os.path.join(folder, "e2e.summary")):
        print("the end-to-end tests did not come to their end")
        totals[1] += 1
    passed, failed, skipped = totals
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
