# SPDX-License-Identifier: Apache-2.0
"""What every measurement needs: samples of commands, ours and the peer's, and the rows that are printed of them."""

import dataclasses
import os
import shutil
import statistics
import subprocess
import time

import report
import traffic
import workloads
from limits import Limits

HERE = os.path.dirname(os.path.abspath(__file__))
RACY_SECONDS = 2.5  # a little more than a scan believes no file in
ROOT = os.path.dirname(HERE)


@dataclasses.dataclass
class Sample:
    seconds: float
    peak_bytes: int  # of the largest process among the command and what it waited for
    busy_seconds: float = 0.0  # of processors, of the same processes


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


class Bench(Limits):
    def __init__(self, options):
        self.options = options
        self.folder = options.dir
        self.program = os.path.abspath(os.environ.get("IMGBUILD", os.path.join(ROOT, "build", "imgbuild")))
        self.tar = self.path("busybox.tar")
        self.launcher = self.path("launch")
        self.rows = []
        self.figures = []
        self.volumes = []
        self.load = os.getloadavg()[0]
        subprocess.run([os.path.join(ROOT, "scripts", "make-busybox.sh"), self.tar], check=True)
        subprocess.run(["cc", "-O2", "-static", "-o", self.launcher, os.path.join(HERE, "launch.c")], check=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def repeat(self, action, runs=None):
        return [action() for _ in range(runs or self.options.runs)]

    def in_turns(self, *actions):
        """Samples of each action, one after the other again and again, so that all see the same machine."""
        rounds = [[action() for action in actions] for _ in range(self.options.runs)]
        return [list(samples) for samples in zip(*rounds)]

    def measure(self, *command):
        """Runs a command to its end, output thrown away. None when it fails."""
        ran = subprocess.run([self.launcher, *command], check=True, stdout=subprocess.PIPE, text=True)
        seconds, peak_kib, status, busy = ran.stdout.split()
        return Sample(float(seconds), int(peak_kib) * 1024, float(busy)) if status == "0" else None

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

    def command(self, *arguments):
        return (self.program, "--store", self.path("store"), *arguments)

    def imgbuild(self, context, *arguments):
        """Into the store as bench:1, unless an output is given."""
        name = () if "-o" in arguments else ("-t", "bench:1")
        return self.must(*self.command("build", "-q", *name, *arguments, context))

    def settle(self, context):
        """Waits until the context is old enough to be believed, and lets the store note it (docs/formats/context-index.md)."""
        time.sleep(RACY_SECONDS)
        self.imgbuild(context, "-o", "type=cacheonly")

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

    def buildah_push(self):
        return self.measure(*self.buildah_command("push", "-q", "bench:1", f"oci-archive:{self.path('pushed.tar')}"))

    @staticmethod
    def together(*samples):
        """One sample of commands that ran one after the other; None where one of them failed."""
        if None in samples:
            return None
        return Sample(sum(sample.seconds for sample in samples), max(sample.peak_bytes for sample in samples),
                      sum(sample.busy_seconds for sample in samples))

    def peer(self, action, runs=None):
        """Samples of the peer; empty without one, or where it fails."""
        samples = [] if self.options.no_peer else self.repeat(action, runs)
        return [] if None in samples else samples

    def report(self, name, ours, theirs=(), limit=None):
        self.rows.append(Row(name, median(ours), median(theirs) if theirs else None, limit, peak(ours),
                             peak(theirs) if theirs else 0))
        print_row(self.rows[-1])

    def report_busy(self, name, ours):
        """What processors worked, whatever else the machine did meanwhile."""
        self.rows.append(Row(f"{name}, of processors", statistics.median(sample.busy_seconds for sample in ours)))
        print_row(self.rows[-1])

    # Targets.

    def figure(self, figure):
        self.figures.append(figure)
        report.print_figure(figure)

    def volume(self, what, image_bytes, why, command):
        """Counts what a command moves, for each byte of the image that it is about."""
        counted = traffic.of_command(list(command), self.path("traffic"))
        self.volumes.append(report.Volume(what, image_bytes, counted, why))
        report.print_volume(self.volumes[-1])


def shown(value, form):
    return "-" if value is None else form.format(value)


def print_row(row):
    print(f"{row.name:<48} {row.ours:>9.4f} {shown(row.peer, '{:.4f}'):>10} {shown(row.limit, '{:.4f}'):>10} "
          f"{shown(row.ratio(row.peer), '{:.1f}x'):>9} {shown(row.limit and row.ours / row.limit, '{:.1f}x'):>9} "
          f"{row.peak_bytes >> 20:>6} {row.peer_peak_bytes >> 20:>6}", flush=True)


def versions(bench):
    def version(command):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]

    peer = [] if bench.options.no_peer else [version(["buildah", "--version"]) + " (isolation chroot, overlay)"]
    return [version([bench.program, "--version"]), *peer]


def print_heading(bench):
    print("\n".join(versions(bench)))
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, medians of {bench.options.runs} runs, "
          f"scale {bench.options.scale}")
    print(f"\n{'':<48} {'imgbuild':>9} {'buildah':>10} {'limit':>10} {'faster':>9} {'of limit':>9} {'MiB':>6} {'peer':>6}")
