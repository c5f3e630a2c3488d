# SPDX-License-Identifier: Apache-2.0
"""That times are fixed, and results without what differs, costs nothing: against builds whose files keep their times."""

import workloads
from harness import median

FULL_FILES = 100_000
RUN_STEPS = 50
MOST = 1.03  # times a build with --timestamps=preserve


def times(bench):
    """One COPY of many files and a row of RUNs, cold, in turns; the limit is the build that keeps times."""
    count = max(int(FULL_FILES * bench.options.scale), 100)
    wide = bench.path("times-copy")
    workloads.wide_copy(wide, count)
    rows = workloads.many_runs(bench.path("times-runs"), RUN_STEPS)
    for name, context in ((f"COPY of {count} files", wide), (f"{RUN_STEPS} RUN steps", rows)):
        def cold(*arguments, folder=context):
            bench.fresh_store()
            return bench.imgbuild(folder, *arguments)

        fixed, strict, preserve = bench.in_turns(cold, lambda: cold("--repro=strict"), lambda: cold("--timestamps=preserve"))
        bench.report(f"times: {name}, fixed", fixed, limit=median(preserve))
        bench.report(f"times: {name}, --repro=strict", strict, limit=median(preserve))
        share = median(fixed) / median(preserve)
        print(f"times: {name}: fixed takes {share:.3f} of preserve: {'met' if share <= MOST else 'missed'} (at most {MOST})")


ALL = {"times": times}
