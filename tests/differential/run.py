#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the same Buildfiles with imgbuild and with buildah and compares what comes out: files and config.

usage: run.py [-k PATTERN | --sample | --seed N --count M] [--jobs N]
  -k PATTERN  of the fixed table only the cases whose name contains PATTERN
  --sample    of the fixed table one case in so many, for runs that have little time
  --seed N    Buildfiles from the random generator instead of the table, the first of seed N …
  --count M   … and the next M-1 seeds
  --jobs N    cases at once (default: one per processor)
IMGBUILD names the program (default: build/imgbuild).

The table may differ where differences.md says so, and has to differ there. Exit status 0 when nothing else differs,
77 with the reason where the comparison cannot be made.
"""

import argparse
import os
import queue
import shutil
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]

import generator  # noqa: E402  (the path is set above)
import table  # noqa: E402
from engines import Bench, prepare  # noqa: E402
from support.case import PROGRAM  # noqa: E402

SAMPLE_STEP = 16
SKIPPED = 77
VERSION = "1.28"
# The builds write to memory, in a mount namespace that takes everything with it: buildah waits for the disk often.
INSIDE = 'mount -t tmpfs -o size=2g,mode=755 imgbuild-differential "$1" && shift && exec "$@"'


def why_not():
    """Why nothing can be compared here; nothing when all is there."""
    for tool in ("buildah", "unshare"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if os.geteuid() != 0:
        return "needs root"
    version = subprocess.run(["buildah", "--version"], capture_output=True, text=True, check=False).stdout
    if f"version {VERSION}." not in version:
        return f"differences.md is about buildah {VERSION}, and this is {version.strip()}"
    return ""


def in_parallel(benches, cases, judge):
    """Calls judge(bench, case) for every case, one at a time on each bench; gives how many of them were not fine."""
    waiting = queue.SimpleQueue()
    for case in cases:
        waiting.put(case)
    bad = []

    def work(bench):
        while True:
            try:
                case = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                wrong = judge(bench, case)
            except Exception as error:  # A case that breaks the comparison itself has failed; the others go on.
                wrong = [f"{type(error).__name__}: {error}"]
            if wrong:
                bad.append(case.name)
                print(f"DIFFERS  {case.name}\n" + "\n".join("    " + line for text in wrong for line in text.splitlines()),
                      flush=True)

    threads = [threading.Thread(target=work, args=(bench,)) for bench in benches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(bad)


def judge_known(known):
    def judge(bench, case):
        return table.surprises(bench.compare(case), known.get(case.name, []))
    return judge


def judge_random(bench, case):
    found = generator.unknown(case, bench.compare(case))
    if not found:
        return []
    case, found = generator.minimise(bench, case, found)
    return [f"{place}: {text}" for place, text in sorted(found.items())] + generator.show(case)


def select(options):
    """The cases to run, and how to judge one."""
    if options.seed is not None:
        return [generator.case_of(seed) for seed in range(options.seed, options.seed + options.count)], judge_random
    cases, known = table.cases(), table.known_differences()
    unknown = set(known) - {case.name for case in cases}
    if unknown:
        sys.exit(f"differences.md names cases that do not exist: {', '.join(sorted(unknown))}")
    cases = [case for case in cases if options.pattern in case.name]
    return cases[::SAMPLE_STEP] if options.sample else cases, judge_known(known)


def compare(options):
    begun = time.monotonic()
    cases, judge = select(options)
    prepare(options.inside)
    benches = [Bench(options.inside, f"bench{number}", PROGRAM) for number in range(max(options.jobs, 1))]
    bad = in_parallel(benches, cases, judge)
    print(f"{len(cases) - bad} of {len(cases)} cases as expected, in {time.monotonic() - begun:.0f} s")
    return 1 if bad or not cases else 0


def main():
    parser = argparse.ArgumentParser(description="compare imgbuild with buildah")
    parser.add_argument("-k", dest="pattern", default="", help="only cases whose name contains this")
    parser.add_argument("--sample", action="store_true", help="a part of the table")
    parser.add_argument("--seed", type=int, help="random cases, from this seed on")
    parser.add_argument("--count", type=int, default=100, help="how many random cases")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cases at once")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return compare(options)
    if why_not():
        print(f"not compared: {why_not()}")
        return SKIPPED
    if not os.access(PROGRAM, os.X_OK):
        print(f"{PROGRAM}: no such program: build it, or name another in IMGBUILD", file=sys.stderr)
        return 2
    # buildah makes a name of an image of this path, and not every one that mkdtemp thinks of is allowed.
    folder = f"/var/tmp/imgbuild-differential-{os.getpid()}"
    os.makedirs(folder, mode=0o700, exist_ok=True)
    try:
        return subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", INSIDE, "sh", folder,
                               sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--inside", folder],
                              check=False).returncode
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
