# SPDX-License-Identifier: Apache-2.0
"""What is measured: one function a group, named as on the command line in ALL."""

import os

import workloads
from harness import Row, median, print_row
from target_groups import base, commit, copy, deep, large, store


def start(bench):
    ours = bench.repeat(lambda: bench.must(bench.program, "--version"), 100)
    bench.report("start: --version", ours, limit=median(bench.repeat(bench.empty_program, 20)))


def parse(bench):
    """Reading, planning and checking a long file; nothing is built."""
    context = workloads.long_buildfile(bench.path("long-file"), 10_000)
    bench.fresh_store()
    ours = bench.repeat(lambda: bench.must(*bench.command("build", "--check", context)), 20)
    bench.report("parse: 10,000 lines, checked", ours, limit=median(bench.repeat(bench.empty_program, 20)))


def cached(bench):
    context = workloads.ten_steps(bench.path("ten-steps"))
    bench.fresh_store()
    bench.imgbuild(context)
    if not bench.options.no_peer:
        bench.buildah(context)
    ours = bench.repeat(lambda: bench.imgbuild(context), 20)
    bench.report("cached: rebuild of ten steps", ours, bench.peer(lambda: bench.buildah(context)),
                 median(bench.repeat(bench.empty_program, 20)))
    bench.report_busy("cached: rebuild of ten steps", ours)


def runs(bench):
    bare = median(bench.repeat(bench.bare_run, 20)) if os.geteuid() == 0 else None
    seconds = {}
    for count in (1, 50, 200):
        context = workloads.many_runs(bench.path(f"runs-{count}"), count)
        bench.fresh_store()
        ours = bench.repeat(lambda: bench.imgbuild(context, "--no-cache"))
        theirs = bench.peer(lambda: bench.buildah(context, "--no-cache"), 1 if count > 1 else None)
        bench.report(f"runs: {count} RUN steps", ours, theirs, bare and bare * count)
        seconds[count] = median(ours)
    for low, high in ((1, 50), (50, 200)):
        each = (seconds[high] - seconds[low]) / (high - low)
        bench.rows.append(Row(f"runs: one more step between {low} and {high}", each, limit=bare))
        print_row(bench.rows[-1])


TARGETS = (copy, commit, large, deep, base, store)
ALL = {group.__name__: group for group in (start, parse, cached, runs, *TARGETS)}
