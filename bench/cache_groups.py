# SPDX-License-Identifier: Apache-2.0
"""What a cache costs when it finds everything, and what asking it beforehand does."""

import workloads

PEER_STEPS = 100  # the peer takes no more than 128 layers


def found(bench):
    """Builds of which every step is known."""
    nothing = bench.empty_program()
    for count in (PEER_STEPS, 200):
        context = workloads.many_runs(bench.path(f"found-{count}"), count)
        bench.fresh_store()
        bench.imgbuild(context)
        theirs = []
        if count == PEER_STEPS and not bench.options.no_peer:
            bench.buildah(context)
            theirs = bench.peer(lambda folder=context: bench.buildah(folder))
        bench.report(f"found: rebuild of {count} RUN steps",
                     bench.repeat(lambda folder=context: bench.imgbuild(folder), 20), theirs, nothing)
    bench.report("found: plan of 200 RUN steps, foretold",
                 bench.repeat(lambda: bench.must(*bench.command("plan", context)), 20), limit=nothing)


ALL = {"found": found}
