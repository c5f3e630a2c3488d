#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures imgbuild beside buildah and beside what plain tools need for the same bytes, in one run on one machine.

usage: run.py [--runs N] [--scale S] [--only NAME] [--no-peer] [--dir DIR] [--json FILE]
  --runs N     repetitions of each measurement; medians are reported (default 5)
  --scale S    of the 100,000 files and of the large files (default 0.1; 1 takes a while, mostly the peer's)
  --only NAME  one group: start, parse, cached, runs, deep, copy, commit, large, base, store, imported
  --no-peer    imgbuild and the limits only
  --dir DIR    where to work: on a disk with room, not in memory (default: a folder in /var/tmp)
  --json FILE  the figures as JSON as well
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

import groups
import harness


def main():
    parser = argparse.ArgumentParser(description="measure imgbuild beside buildah and the machine's limits")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--only", choices=groups.ALL)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--dir")
    parser.add_argument("--json")
    options = parser.parse_args()
    own_folder = options.dir is None
    options.dir = os.path.abspath(options.dir) if options.dir else tempfile.mkdtemp(prefix="imgbuild-bench-", dir="/var/tmp")
    os.makedirs(options.dir, exist_ok=True)
    try:
        bench = harness.Bench(options)
        bench.prepare_peer()
        harness.print_heading(bench)
        for group in [options.only] if options.only else groups.ALL:
            groups.ALL[group](bench)
    finally:
        if own_folder:
            shutil.rmtree(options.dir, ignore_errors=True)
    if options.json:
        with open(options.json, "w", encoding="ascii") as file:
            json.dump([dataclasses.asdict(row) for row in bench.rows], file, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
