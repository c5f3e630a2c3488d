# SPDX-License-Identifier: Apache-2.0
"""What a cache costs when it finds everything, and what asking it beforehand does."""

import many_cached
import workloads
from harness import median

PEER_STEPS = 100  # the peer takes no more than 128 layers


def found(bench):
    """Builds of which every step is known."""
    nothing = median(bench.repeat(bench.empty_program, 20))
    for count in (PEER_STEPS, 200):
        context = workloads.many_runs(bench.path(f"found-{count}"), count)
        bench.fresh_store()
        bench.imgbuild(context)
        theirs = []
        if count == PEER_STEPS and not bench.options.no_peer:
            bench.buildah(context)
            theirs = bench.peer(lambda folder=context: bench.buildah(folder))
        ours = bench.repeat(lambda folder=context: bench.imgbuild(folder), 20)
        bench.report(f"found: rebuild of {count} RUN steps", ours, theirs, nothing)
        bench.report_busy(f"found: rebuild of {count} RUN steps", ours)
    bench.report("found: plan of 200 RUN steps, foretold",
                 bench.repeat(lambda: bench.must(*bench.command("plan", context)), 20), limit=nothing)


def imported(bench):
    """What a cache of 10,000 records costs a build that finds nothing there."""
    context = workloads.context(bench.path("import"), "FROM scratch\nWORKDIR /new\n")
    cache = bench.path("cache-of-many")
    many_cached.write(cache, 10_000)

    def build(*arguments):
        bench.fresh_store()
        return bench.repeat(lambda: bench.imgbuild(context, "-o", "type=cacheonly", *arguments), 1)[0]

    without = median([build() for _ in range(5)])
    ours = [build(f"--cache-from=type=local,src={cache}") for _ in range(5)]
    bench.report("imported: a cache of 10,000 records", ours, limit=without)
    bench.report_busy("imported: a cache of 10,000 records", ours)


ALL = {"found": found, "imported": imported}
