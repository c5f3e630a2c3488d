#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures imgbuild beside buildah and beside what plain tools need for the same bytes, in one run on one machine.

usage: run.py [--runs N] [--scale S] [--only NAME] [--no-peer] [--dir DIR] [--json FILE]
  --runs N     repetitions of each measurement; medians are reported (default 5)
  --scale S    of the 100,000 files and of the large files (default 0.1; 1 takes a while, mostly the peer's)
  --only NAME  one group: start, parse, cached, runs, copy, memory
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
import statistics
import subprocess
import sys
import tempfile

import workloads

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
GROUPS = ("start", "parse", "cached", "runs", "copy", "memory")
FULL_COPY_FILES = 100_000
FULL_LARGE_FILE = 4 << 30


@dataclasses.dataclass
class Sample:
    seconds: float
    peak_bytes: int  # of the largest process among the command and what it waited for


@dataclasses.dataclass
class Row:
    """One line of the report: medians in seconds, None where nothing corresponds."""

    name: str
    ours: float
    peer: float = None
    limit: float = None
    peak_bytes: int = 0
    peer_peak_bytes: int = 0

    def ratio(self, other):
        return None if not other or not self.ours else other / self.ours


def median(samples):
    return statistics.median(sample.seconds for sample in samples)


def peak(samples):
    return max(sample.peak_bytes for sample in samples)


class Bench:
    def __init__(self, options):
        self.options = options
        self.folder = options.dir
        self.program = os.path.abspath(os.environ.get("IMGBUILD", os.path.join(ROOT, "build", "imgbuild")))
        self.tar = self.path("busybox.tar")
        self.launcher = self.path("launch")
        self.rows = []
        subprocess.run([os.path.join(ROOT, "scripts", "make-busybox.sh"), self.tar], check=True)
        subprocess.run(["cc", "-O2", "-static", "-o", self.launcher, os.path.join(HERE, "launch.c")], check=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def repeat(self, action, runs=None):
        return [action() for _ in range(runs or self.options.runs)]

    def measure(self, *command):
        """Runs a command to its end, output thrown away. None when it fails."""
        ran = subprocess.run([self.launcher, *command], check=True, stdout=subprocess.PIPE, text=True)
        seconds, peak_kib, status = ran.stdout.split()
        return Sample(float(seconds), int(peak_kib) * 1024) if status == "0" else None

    def must(self, *command):
        sample = self.measure(*command)
        if sample is None:
            raise SystemExit(f"bench: fails: {' '.join(command)}")
        return sample

    # Ours.

    def fresh_store(self):
        shutil.rmtree(self.path("store"), ignore_errors=True)
        subprocess.run([self.program, "--store", self.path("store"), "import", self.tar, workloads.BASE], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def imgbuild(self, context, *arguments):
        return self.must(self.program, "--store", self.path("store"), "build", "-q", "-t", "bench:1", *arguments, context)

    # The peer.

    def buildah_command(self, *arguments):
        return ["buildah", "--root", self.path("buildah"), "--runroot", self.path("buildah-run"), "--storage-driver",
                "overlay", *arguments]

    def prepare_peer(self):
        if self.options.no_peer:
            return
        created = subprocess.run(self.buildah_command("from", "scratch"), check=True, stdout=subprocess.PIPE, text=True)
        container = created.stdout.strip()
        for arguments in (("add", "-q", container, self.tar, "/"), ("commit", "-q", container, workloads.BASE),
                          ("rm", container)):
            subprocess.run(self.buildah_command(*arguments), check=True, stdout=subprocess.DEVNULL)

    def buildah(self, context, *arguments):
        """None when the peer cannot do it: it takes 128 layers at most, for example."""
        return self.measure(*self.buildah_command("bud", "--layers", "--isolation", "chroot", "--pull-never", "-t", "bench:1",
                                                  "-f", os.path.join(context, "Buildfile"), *arguments, context))

    def peer(self, action, runs=None):
        """Samples of the peer; empty without one, or where it fails."""
        samples = [] if self.options.no_peer else self.repeat(action, runs)
        return [] if None in samples else samples

    def report(self, name, ours, theirs=(), limit=None):
        self.rows.append(Row(name, median(ours), median(theirs) if theirs else None, limit, peak(ours),
                             peak(theirs) if theirs else 0))
        print_row(self.rows[-1])

    # Limits: what the machine takes for the least that has to be done.

    def empty_program(self):
        """A static program that does nothing: the least that a process costs."""
        source, program = self.path("empty.c"), self.path("empty")
        with open(source, "w", encoding="ascii") as file:
            file.write("int main(void) { return 0; }\n")
        subprocess.run(["cc", "-O2", "-static", "-o", program, source], check=True)
        return median(self.repeat(lambda: self.must(program), 100))

    def bare_run(self):
        """One command in fresh namespaces and another root, without an image builder."""
        if os.geteuid() != 0:
            return None
        root = self.path("root")
        os.makedirs(root, exist_ok=True)
        subprocess.run(["tar", "-xf", self.tar, "-C", root], check=True)
        return median(self.repeat(lambda: self.must("unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "chroot", root,
                                                     "/bin/busybox", "true"), 20))

    def pipe(self, folder):
        """Reading, hashing and compressing the same bytes with plain tools."""
        script = 'tar -cf - -C "$1" . | tee >(openssl dgst -sha256 >"$2.sum") | zstd -q -3 -T2 -f -o "$2"'
        return median(self.repeat(lambda: self.must("bash", "-c", script, "bash", folder, self.path("pipe.zst"))))

    def walk(self, folder):
        """One stat for each file, by one thread."""
        return median(self.repeat(lambda: self.must("find", folder, "-size", "+1000000000k")))

    # The groups.

    def start(self):
        ours = self.repeat(lambda: self.must(self.program, "--version"), 100)
        self.report("start: --version", ours, limit=self.empty_program())

    def parse(self):
        """Reading, planning and checking a long file; nothing is built."""
        context = workloads.long_buildfile(self.path("long-file"), 10_000)
        self.fresh_store()
        ours = self.repeat(lambda: self.must(self.program, "--store", self.path("store"), "build", "--check", context), 20)
        self.report("parse: 10,000 lines, checked", ours, limit=self.empty_program())

    def cached(self):
        context = workloads.ten_steps(self.path("ten-steps"))
        self.fresh_store()
        self.imgbuild(context)
        if not self.options.no_peer:
            self.buildah(context)
        self.report("cached: rebuild of ten steps", self.repeat(lambda: self.imgbuild(context), 20),
                    self.peer(lambda: self.buildah(context)), self.empty_program())

    def runs(self):
        bare = self.bare_run()
        seconds = {}
        for count in (1, 50, 200):
            context = workloads.many_runs(self.path(f"runs-{count}"), count)
            self.fresh_store()
            ours = self.repeat(lambda: self.imgbuild(context, "--no-cache"))
            theirs = self.peer(lambda: self.buildah(context, "--no-cache"), 1 if count > 1 else None)
            self.report(f"runs: {count} RUN steps", ours, theirs, bare and bare * count)
            seconds[count] = median(ours)
        for low, high in ((1, 50), (50, 200)):
            each = (seconds[high] - seconds[low]) / (high - low)
            self.rows.append(Row(f"runs: one more step between {low} and {high}", each, limit=bare))
            print_row(self.rows[-1])

    def copy(self):
        count = max(int(FULL_COPY_FILES * self.options.scale), 100)
        context = self.path("wide-copy")
        size = workloads.wide_copy(context, count)
        name = f"copy: {count} files, {size >> 20} MiB, "

        def cold():
            self.fresh_store()
            return self.imgbuild(context)

        tree = os.path.join(context, "tree")
        self.report(name + "cold", self.repeat(cold), self.peer(lambda: self.buildah(context, "--no-cache"), 1),
                    self.pipe(tree))
        self.report(name + "unchanged", self.repeat(lambda: self.imgbuild(context)),
                    self.peer(lambda: self.buildah(context), 1), self.walk(tree))
        numbers = iter(range(1_000_000))

        def changed(build):
            workloads.change_one_file(context, f"edited {next(numbers)}\n")
            return build(context)

        self.report(name + "one changed", self.repeat(lambda: changed(self.imgbuild)),
                    self.peer(lambda: changed(self.buildah), 1), self.walk(tree))

    def memory(self):
        for part in (16, 1):
            size = max(int(FULL_LARGE_FILE * self.options.scale) // part, 1 << 20)
            context = workloads.one_file(self.path(f"one-file-{part}"), size)
            self.fresh_store()
            self.report(f"memory: one file of {size >> 20} MiB", [self.imgbuild(context)],
                        self.peer(lambda: self.buildah(context, "--no-cache"), 1), self.pipe(context))
            shutil.rmtree(context)


def shown(value, form):
    return "-" if value is None else form.format(value)


def print_row(row):
    print(f"{row.name:<48} {row.ours:>9.4f} {shown(row.peer, '{:.4f}'):>10} {shown(row.limit, '{:.4f}'):>10} "
          f"{shown(row.ratio(row.peer), '{:.1f}x'):>9} {shown(row.limit and row.ours / row.limit, '{:.1f}x'):>9} "
          f"{row.peak_bytes >> 20:>6} {row.peer_peak_bytes >> 20:>6}", flush=True)


def print_heading(bench):
    def version(command):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]

    print(version([bench.program, "--version"]))
    if not bench.options.no_peer:
        print(version(["buildah", "--version"]) + " (isolation chroot, overlay)")
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, medians of {bench.options.runs} runs, "
          f"scale {bench.options.scale}")
    print(f"\n{'':<48} {'imgbuild':>9} {'buildah':>10} {'limit':>10} {'faster':>9} {'of limit':>9} {'MiB':>6} {'peer':>6}")


def main():
    parser = argparse.ArgumentParser(description="measure imgbuild beside buildah and the machine's limits")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--only", choices=GROUPS)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--dir")
    parser.add_argument("--json")
    options = parser.parse_args()
    own_folder = options.dir is None
    options.dir = os.path.abspath(options.dir) if options.dir else tempfile.mkdtemp(prefix="imgbuild-bench-", dir="/var/tmp")
    os.makedirs(options.dir, exist_ok=True)
    try:
        bench = Bench(options)
        bench.prepare_peer()
        print_heading(bench)
        for group in [options.only] if options.only else GROUPS:
            getattr(bench, group)()
    finally:
        if own_folder:
            shutil.rmtree(options.dir, ignore_errors=True)
    if options.json:
        with open(options.json, "w", encoding="ascii") as file:
            json.dump([dataclasses.asdict(row) for row in bench.rows], file, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
