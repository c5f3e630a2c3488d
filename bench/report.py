# SPDX-License-Identifier: Apache-2.0
"""The figures that have a target, and what is written of them."""

import dataclasses
import os
import platform


@dataclasses.dataclass
class Figure:
    """One figure with what it should be."""

    number: int  # of the target
    what: str
    figure: str
    target: str
    limit: str  # what the machine takes for the least that has to be done, in the same run
    met: bool


@dataclasses.dataclass
class Volume:
    """Bytes moved and worked on, for each byte of the image that a step is about."""

    what: str
    image_bytes: int
    traffic: object  # traffic.Traffic
    why: str


def seconds(value):
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


def within(number, what, ours, limit, most):
    """Ours takes at most so many times what the limit takes."""
    ratio = ours / limit
    return Figure(number, what, f"{seconds(ours)}, {ratio:.2f}×", f"≤ {most}× of the limit", seconds(limit), ratio <= most)


def faster(number, what, ours, peer, least, name):
    ratio = peer / ours
    return Figure(number, what, f"{seconds(ours)}, {ratio:.0f}× faster", f"≥ {least}× faster than {name}", seconds(peer),
                  ratio >= least)


def at_most(number, what, value, most, unit, limit="-"):
    return Figure(number, what, f"{value:.1f} {unit}", f"≤ {most} {unit}", limit, value <= most)


def at_least(number, what, value, least, unit, limit="-"):
    return Figure(number, what, f"{value:.2f} {unit}", f"≥ {least} {unit}", limit, value >= least)


def print_figure(figure):
    print(f"  target {figure.number}: {figure.what}: {figure.figure} (target {figure.target}; limit {figure.limit}): "
          f"{'met' if figure.met else 'NOT MET'}", flush=True)


def print_volume(volume):
    shares = ", ".join(f"{name} {share(value, volume)}" for name, value in dataclasses.asdict(volume.traffic).items())
    print(f"  bytes for each byte: {volume.what}: {shares}", flush=True)


def share(value, volume):
    return "-" if value is None else f"{value / volume.image_bytes:.2f}"


def table(heading, rows):
    return "\n".join(["| " + " | ".join(row) + " |" for row in [heading, ["---"] * len(heading), *rows]]) + "\n"


def _processor():
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


HOW = """# Benchmarks: the targets of the layer store

Written by `bench/run.py --report docs/benchmarks.md`, which measures everything anew, beside what plain tools need for
the same bytes in the same run (the limit), ours and the limit in turns. Seconds do not carry over to another machine,
ratios do, roughly; on a busy machine ratios of short runs are worth little. What the limits are stands in
`bench/limits.py`; what other workloads cost, in [performance.md](performance.md).
"""

VOLUMES = """
## Bytes

Bytes read from files, written to files, passed between the threads and processes of a build, hashed, compressed and
decompressed, for each byte of the files that the step is about. Counted, not timed: by `strace`, without what the
commands of a RUN do, and by the counters behind `build --debug` (- where a command does not tell). They depend on the
workload and hardly on the machine or its load. A file's bytes are counted as read wherever they come from, also from the
kernel's memory.
"""


def write(place, bench, versions):
    figures = [[str(figure.number), figure.what, figure.figure, figure.target, figure.limit,
                "met" if figure.met else "**not met**"] for figure in bench.figures]
    volumes = [[volume.what, *(share(value, volume) for value in dataclasses.asdict(volume.traffic).values()), volume.why]
               for volume in bench.volumes]
    begun, ended = bench.load, os.getloadavg()[0]
    text = HOW
    text += (f"\n{'; '.join(versions)}. {_processor()}, {os.cpu_count()} processors, Linux {platform.release()}; load "
             f"{begun:.1f} when it began and {ended:.1f} when it ended. Scale {bench.options.scale}, medians of "
             f"{bench.options.runs} runs.\n\n")
    text += table(["target", "what", "figure", "asked for", "limit", ""], figures)
    text += VOLUMES + "\n"
    text += table(["step", "read", "written", "passed", "hashed", "compressed", "decompressed", "what for"], volumes)
    with open(place, "w", encoding="utf-8") as file:
        file.write(text)
