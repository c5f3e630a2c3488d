#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the end-to-end tests of the built program: every test method of tests/e2e/test_*.py, each in a process, a
folder, a store and a HOME of its own.

usage: run.py [-k PATTERN] [--list] [--jobs N] [--summary FILE]
  -k PATTERN      only cases whose name contains PATTERN
  --list          print the names and run nothing
  --jobs N        cases at once (default: one per processor)
  --summary FILE  write "passed failed skipped" there as well
IMGBUILD names the program (default: build/imgbuild).

Prints one line a case and closes with "N passed, N failed, N skipped"; exit status 0 when nothing failed.
"""

import argparse
import concurrent.futures
import glob
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]

from support.user import remove_ordinary_user  # noqa: E402  (the path is set above)

CASE_LIMIT_SECONDS = 420
CLEAN_UP_SECONDS = 30


def case_names():
    """module.Class.method of every case, in order of file and of place in it."""
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, unittest.TestCase) and value.__module__ == module.__name__:
                for method in value.__dict__:
                    if method.startswith("test_"):
                        yield f"{module.__name__}.{name}.{method}"


def give_up(signal_number, frame):
    """An exception, so that the case's own clean-up runs."""
    raise TimeoutError(f"not done after {CASE_LIMIT_SECONDS} s")


def run_here(name):
    """Runs one case in this process and prints its outcome as JSON on the last line."""
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(CASE_LIMIT_SECONDS)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromName(name).run(result)
    if result.skipped:
        outcome = ("skipped", result.skipped[0][1])
    elif result.wasSuccessful() and result.testsRun == 1:
        outcome = ("passed", "")
    else:
        outcome = ("failed", "\n".join(text for _, text in result.failures + result.errors) or "no such case")
    print(json.dumps(outcome))


def run_case(name):
    """Runs one case in a process group of its own; gives its outcome, why, and the seconds it took."""
    begun = time.monotonic()
    process = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--one", name], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=CASE_LIMIT_SECONDS + CLEAN_UP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return "failed", f"not done after {CASE_LIMIT_SECONDS} s\n{output}", time.monotonic() - begun
    try:
        outcome, why = json.loads(output.strip().splitlines()[-1])
    except (ValueError, IndexError):
        outcome, why = "failed", f"the case died with status {process.returncode}\n{output}"
    return outcome, why, time.monotonic() - begun


def report(name, outcome, why, seconds, out):
    first_line = why.strip().splitlines()[0] if outcome == "skipped" and why else ""
    print(f"{outcome:7} {seconds:6.1f} s  {name}{': ' + first_line if first_line else ''}", file=out, flush=True)
    if outcome == "failed":
        print("        " + why.rstrip().replace("\n", "\n        "), file=out, flush=True)


def main():
    parser = argparse.ArgumentParser(description="run the end-to-end tests")
    parser.add_argument("-k", dest="pattern", default="", help="only cases whose name contains this")
    parser.add_argument("--list", action="store_true", help="print the names and run nothing")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cases at once")
    parser.add_argument("--summary", help="file for the three counts")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        sys.stdout = io.TextIOWrapper(sys.stdout.detach(), line_buffering=True, encoding="utf-8", errors="replace")
        run_here(options.one)
        return 0
    # The examples first: their bases take longest, and nothing else has to wait for them at the end.
    names = sorted((name for name in case_names() if options.pattern in name),
                   key=lambda name: not name.startswith("test_examples."))
    if options.list:
        print("\n".join(names))
        return 0

    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with concurrent.futures.ThreadPoolExecutor(max(options.jobs, 1)) as pool:
        running = {pool.submit(run_case, name): name for name in names}
        for done in concurrent.futures.as_completed(running):
            outcome, why, seconds = done.result()
            counts[outcome] += 1
            report(running[done], outcome, why, seconds, sys.stdout)
    remove_ordinary_user()
    if options.summary:
        with open(options.summary, "w", encoding="ascii") as file:
            print(counts["passed"], counts["failed"], counts["skipped"], file=file)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 0 if counts["passed"] and not counts["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
