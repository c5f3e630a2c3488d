#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures imgbuild beside buildah and beside what plain tools need for the same bytes, in one run on one machine.

usage: run.py [--runs N] [--scale S] [--only NAME] [--no-peer] [--dir DIR] [--json FILE] [--report FILE]
  --runs N     repetitions of each measurement; medians are reported (default 5)
  --scale S    of the 100,000 files and of the large files (default 0.1; 1 takes a while, mostly the peer's)
  --only NAME  one group: start, parse, cached, runs, deep, copy, commit, large, base, store, sandbox, found,
               imported, times, pull, push (the last two need docker-registry and skopeo)
  --no-peer    imgbuild and the limits only
  --dir DIR    where to work: on a disk with room, not in memory (default: a folder in /var/tmp)
  --json FILE  the figures as JSON as well
  --report FILE  measures the groups that have targets, and writes what is met as Markdown; --scale is then 0.5 and
                 --runs 3 unless they are given: some minutes on a quiet machine. Needs root and strace.
IMGBUILD names the program (default: build/imgbuild). Needs root for buildah and for the limit of a RUN.

Seconds do not carry over to another machine; the ratios to the peer and to the limit do, roughly.
"""

import argparse
import dataclasses
import json
import os
import shutil
import sys
import tempfile

import cache_groups
import groups
import harness
import media_groups
import report
import sandbox
import time_groups


GROUPS = {**groups.ALL, **cache_groups.ALL, **time_groups.ALL, **media_groups.ALL, "sandbox": sandbox.sandbox}


def main():
    parser = argparse.ArgumentParser(description="measure imgbuild beside buildah and the machine's limits")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--scale", type=float)
    parser.add_argument("--only", choices=GROUPS)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--dir")
    parser.add_argument("--json")
    parser.add_argument("--report")
    options = parser.parse_args()
    options.runs = options.runs or (3 if options.report else 5)
    options.scale = options.scale or (0.5 if options.report else 0.1)
    own_folder = options.dir is None
    options.dir = os.path.abspath(options.dir) if options.dir else tempfile.mkdtemp(prefix="imgbuild-bench-", dir="/var/tmp")
    os.makedirs(options.dir, exist_ok=True)
    try:
        bench = harness.Bench(options)
        bench.prepare_peer()
        harness.print_heading(bench)
        of_report = [group.__name__ for group in groups.TARGETS]
        for group in [options.only] if options.only else of_report if options.report else GROUPS:
            GROUPS[group](bench)
    finally:
        if own_folder:
            shutil.rmtree(options.dir, ignore_errors=True)
    if options.report:
        report.write(options.report, bench, harness.versions(bench))
    if options.json:
        with open(options.json, "w", encoding="ascii") as file:
            json.dump([dataclasses.asdict(row) for row in bench.rows], file, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
