#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cuts the power of the disk that a store lies on at random moments, and looks what stands there when it is back.

usage: power.py [--cuts N] [--seed N] [--kind ext4|xfs] [--durability none|images|steps]
  --cuts N   how often (default 100)
  --seed N   which moments (default 1)
  --kind K   the file system, in a file behind a loop device (default ext4)
  --durability MODE  of the store (default images; docs/layers.md)
IMGBUILD names the program (default: build/imgbuild). Needs root.

The file system is shut down in the middle of a build, without its journal being flushed: what was not synced is gone.
When it is mounted again, fsck finds no fault, every image whose build had ended before the cut stands under its name and
is whole, the name of the build that was cut is absent or whole, and the next build gives what it gives elsewhere. With
`none` nothing need be there, but what fsck mends is sound. With `steps` each step that a build had told as done is found by
the next one as well.
exit status: 0 when nothing was found.
"""

import argparse
import contextlib
import fcntl
import os
import random
import re
import signal
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from faults.kills import adopt_orphans, names_of, wait_for_orphans  # noqa: E402  (the path is set above)
from faults.workshop import Failure, ROOT, Workshop  # noqa: E402
from support.filesystems import MAKERS, SIZE_BYTES, run_or_skip  # noqa: E402

SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32), of ext4 and xfs
WITHOUT_FLUSH = 2
BUILDFILE = "FROM busybox\nCOPY data /data\nRUN cp -r /data /copy && rm /copy/0\nRUN echo {mark} > /mark\n"
STEPS = (*(f"FROM {below} AS {stage}\nRUN echo {stage} {{mark}} > /{stage}\n"
           for below, stage in (("busybox", "one"), ("one", "two"), ("two", "three"))), "RUN sleep 60\n")
STEP_BEGUN = re.compile(r"^#(\d+) \[.*\] RUN echo")
STEP_DONE = re.compile(r"^#(\d+) DONE")


class Disk:
    """A file system of `kind` at `point`, in the file `image`."""

    def __init__(self, kind, image, point):
        self.image = image
        self.options = ["-o", "nouuid"] if kind == "xfs" else []
        self.point = point
        os.mkdir(point)
        with open(image, "wb") as file:
            file.truncate(SIZE_BYTES)
        run_or_skip(*MAKERS[kind], image)
        self.mount()

    def mount(self):
        # A device of its own each time: with the one before, the kernel would show the file system that was shut down as
        # long as any mount namespace on this machine still holds it.
        self.device = subprocess.run(["losetup", "--find", "--show", self.image], check=True, capture_output=True,
                                     text=True).stdout.strip()
        run_or_skip("mount", *self.options, self.device, self.point)

    def cut(self):
        descriptor = os.open(self.point, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("=I", WITHOUT_FLUSH))
        finally:
            os.close(descriptor)

    def unmount(self):
        """Waits for who still uses it."""
        for _ in range(100):
            if subprocess.run(["umount", self.point], check=False, capture_output=True).returncode == 0:
                subprocess.run(["losetup", "--detach", self.device], check=False, capture_output=True)
                return
            time.sleep(0.1)
        raise Failure("something still uses the disk")


class Campaign:
    """One store on one disk, and what was built there."""

    def __init__(self, workshop, kind, seed, durability):
        self.workshop = workshop
        self.durability = durability
        self.chance = random.Random(seed)
        self.disk = Disk(kind, workshop.path("image"), workshop.path("disk"))
        self.store = workshop.path("disk", "store")
        self.elsewhere = workshop.path("elsewhere")
        self.seconds = 1.0
        self.finished = {}  # name -> digest

    def context(self, number):
        return self.workshop.write("context", {"Buildfile": BUILDFILE.format(mark=number), **{
            f"data/{i}": random.Random(number + i).randbytes(20_000) for i in range(20)}})

    def cut_one(self, number):
        """Builds, cuts, and looks."""
        context = self.context(number)
        name = f"app:{number % 5}"
        wanted = self.workshop.digest(self.elsewhere, context)
        process = self.start("-q", "-t", name, context)
        begun = time.monotonic()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=self.chance.uniform(0, 1.2 * self.seconds))
        ended = process.poll() == 0
        if ended:
            self.seconds = time.monotonic() - begun
        self.cut(process)
        before = self.finished.pop(name, None)
        if ended:
            self.finished[name] = wanted
        if self.durability == "none":
            self.mend()
        else:
            self.look(name, {wanted, before})
        if self.workshop.digest(self.store, "-t", name, context) != wanted:
            raise Failure("the build gives another image")
        self.finished[name] = wanted

    def start(self, *arguments):
        return self.workshop.start(self.store, "build", f"--durability={self.durability}", *arguments)

    def cut(self, process):
        self.disk.cut()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        # A sandbox ends shortly after its build, and has the disk mounted until then.
        wait_for_orphans()
        self.disk.unmount()
        self.disk.mount()

    def cut_behind_a_step(self, number):
        """Cuts as soon as a build says that its first, second or third step is done."""
        context = self.workshop.write("context", {"Buildfile": "".join(STEPS).format(mark=number)})
        last = number % 3
        process = self.start("--progress=plain", context)
        begun, done, said = set(), set(), ""
        for line in process.stderr:
            said += line
            begun |= set(STEP_BEGUN.findall(line))
            done |= begun & set(STEP_DONE.findall(line))
            if len(done) > last:
                break
        else:
            raise Failure(f"the build ended too early:\n{said}")
        self.cut(process)
        stages = ("one", "two", "three")[:last + 1]
        self.workshop.run(self.store, "build", "--require-cached", "--target", stages[-1], context)
        self.workshop.run(self.store, "fsck")

    def mend(self):
        """What was never waited for may be anything, but not taken for whole."""
        if os.path.exists(os.path.join(self.store, "format")):
            self.workshop.run(self.store, "fsck", "--repair", may_fail=True)
            self.workshop.run(self.store, "fsck")

    def look(self, name, may_be):
        # A cut before the store was there at all.
        if os.path.exists(os.path.join(self.store, "format")):
            self.workshop.run(self.store, "fsck")
        there = names_of(self.store) if os.path.exists(os.path.join(self.store, "index.json")) else {}
        found = {name.removeprefix("docker.io/library/"): digest for name, digest in there.items()}
        for lasting, digest in self.finished.items():
            if found.get(lasting) != digest:
                raise Failure(f"{lasting} was {digest} before the cut and is {found.get(lasting)}")
        if found.get(name) not in {None, *may_be}:
            raise Failure(f"{name} is {found[name]}, which nobody built")
        for whole in found:
            self.workshop.run(self.store, "save", "-o", self.workshop.path("out.tar"), whole)


def campaign(program, cuts, seed, kind="ext4", durability="images"):
    """Gives the faults that `cuts` cuts brought."""
    adopt_orphans()
    faults = []
    with Workshop(program) as workshop:
        power = Campaign(workshop, kind, seed, durability)
        cut = power.cut_behind_a_step if durability == "steps" else power.cut_one
        try:
            for number in range(cuts):
                try:
                    cut(number)
                except Failure as failure:
                    faults.append(f"cut {number + 1}: {failure}")
                    print(faults[-1][:1500], flush=True)
        finally:
            power.disk.unmount()
    return faults


def main():
    parser = argparse.ArgumentParser(description="cut the power of a disk")
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=("ext4", "xfs"), default="ext4")
    parser.add_argument("--durability", choices=("none", "images", "steps"), default="images")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("power.py: needs root", file=sys.stderr)
        return 2
    program = os.environ.get("IMGBUILD", os.path.join(ROOT, "build", "imgbuild"))
    try:
        faults = campaign(program, options.cuts, options.seed, options.kind, options.durability)
    except unittest.SkipTest as reason:
        print(f"power.py: {reason}", file=sys.stderr)
        return 2
    print(f"{options.cuts} cuts, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
