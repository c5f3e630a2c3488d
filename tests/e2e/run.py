#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the end-to-end tests of the built program: every test method of tests/e2e/test_*.py, each in a process, a
folder, a store and a HOME of its own.

usage: run.py [-k PATTERN] [--list] [--jobs N] [--summary FILE]
  -k PATTERN      only cases whose name contains PATTERN
  --list          print the names and run nothing
  --jobs N        cases at once (default: one more than processors, because cases wait, too)
  --summary FILE  write "passed failed skipped" there as well
IMGBUILD names the program (default: build/imgbuild).

Prints one line a case and closes with "N passed, N failed, N skipped"; exit status 0 when nothing failed.
"""

import argparse
import contextlib
import glob
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]

from support.user import users_go_away_afterwards  # noqa: E402  (the path is set above)

CASE_LIMIT_SECONDS = 420
CLEAN_UP_SECONDS = 30
POLL_SECONDS = 0.01


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


def outcome_of(name):
    """Runs one case in this process."""
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(CASE_LIMIT_SECONDS)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromName(name).run(result)
    if result.skipped:
        return "skipped", result.skipped[0][1]
    if result.wasSuccessful() and result.testsRun == 1:
        return "passed", ""
    return "failed", "\n".join(text for _, text in result.failures + result.errors) or "no such case"


class Case:
    """A case that runs in a forked process, in a process group of its own: the modules are loaded once for all."""

    def __init__(self, name):
        self.name = name
        self.begun = time.monotonic()
        self.output = tempfile.TemporaryFile()
        self.answer = tempfile.TemporaryFile()
        self.process = os.fork()
        if self.process == 0:
            self.run()

    def run(self):
        status = 1
        try:
            os.setsid()
            nothing = os.open(os.devnull, os.O_RDONLY)
            for target, source in ((0, nothing), (1, self.output.fileno()), (2, self.output.fileno())):
                os.dup2(source, target)
            self.answer.write(json.dumps(outcome_of(self.name)).encode())
            self.answer.flush()
            sys.stdout.flush()
            status = 0
        finally:
            os._exit(status)

    def stop_if_late(self):
        """For a case that its own alarm did not end."""
        if time.monotonic() - self.begun > CASE_LIMIT_SECONDS + CLEAN_UP_SECONDS:
            os.killpg(self.process, signal.SIGKILL)

    def result(self, status):
        """Its outcome, why, and the seconds it took; called once it has ended."""
        seconds = time.monotonic() - self.begun
        self.answer.seek(0)
        self.output.seek(0)
        try:
            outcome, why = json.loads(self.answer.read())
        except ValueError:
            ended = os.waitstatus_to_exitcode(status)
            outcome, why = "failed", f"the case died with status {ended}\n{self.output.read().decode(errors='replace')}"
        self.answer.close()
        self.output.close()
        return outcome, why, seconds


def run_cases(names, jobs):
    """Runs cases, `jobs` at once, and gives (name, outcome, why, seconds) of each as it ends."""
    waiting = list(reversed(names))
    running = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                case = Case(waiting.pop())
                running[case.process] = case
            ended, status = os.waitpid(-1, os.WNOHANG)
            if ended in running:
                case = running.pop(ended)
                yield (case.name, *case.result(status))
            else:
                time.sleep(POLL_SECONDS)
                for case in running.values():
                    case.stop_if_late()
    finally:
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)


def report(name, outcome, why, seconds, out):
    first_line = why.strip().splitlines()[0] if outcome == "skipped" and why else ""
    print(f"{outcome:7} {seconds:6.1f} s  {name}{': ' + first_line if first_line else ''}", file=out, flush=True)
    if outcome == "failed":
        print("        " + why.rstrip().replace("\n", "\n        "), file=out, flush=True)


def main():
    parser = argparse.ArgumentParser(description="run the end-to-end tests")
    parser.add_argument("-k", dest="pattern", default="", help="only cases whose name contains this")
    parser.add_argument("--list", action="store_true", help="print the names and run nothing")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() + 1, help="cases at once")
    parser.add_argument("--summary", help="file for the three counts")
    options = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")
    # The examples first: their bases take longest, and nothing else has to wait for them at the end.
    names = sorted((name for name in case_names() if options.pattern in name),
                   key=lambda name: not name.startswith("test_examples."))
    if options.list:
        print("\n".join(names))
        return 0

    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with users_go_away_afterwards():
        for name, outcome, why, seconds in run_cases(names, max(options.jobs, 1)):
            counts[outcome] += 1
            report(name, outcome, why, seconds, sys.stdout)
    if options.summary:
        with open(options.summary, "w", encoding="ascii") as file:
            print(counts["passed"], counts["failed"], counts["skipped"], file=file)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 0 if counts["passed"] and not counts["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
