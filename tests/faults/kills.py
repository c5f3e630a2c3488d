#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills commands at random moments, all on one store, and looks after each kill whether the store is sound.

usage: kills.py [--kills N] [--seed N] [--under DIR]
  --kills N    how many commands are killed before they end (default 1000)
  --seed N     which commands and moments (default 1)
  --under DIR  a place for the store (default: a file system in memory)
IMGBUILD names the program (default: build/imgbuild).

A round starts a build (of what was built before, of something new, of two platforms), an import, a load, a prune, a tag
or a removal, and kills it, alone or with its whole process group. Then no process is left, fsck finds no fault, each
name stands for what it stood for before or for what the command would have made it, and builds give the digests that
they gave on a store where nothing was ever killed.
exit status: 0 when nothing was found.
"""

import argparse
import contextlib
import ctypes
import json
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from faults.workshop import Failure, ROOT, Workshop  # noqa: E402  (the path is set above)

SET_CHILD_SUBREAPER = 36
SECONDS_TO_END = 10
CHECK_BUILDS_EACH = 5  # rounds

PLATFORMS = "FROM scratch\nARG TARGETARCH\nCOPY data /data\nENV ARCH=$TARGETARCH\n"
LONG = "FROM busybox\nCOPY data /data\nRUN cp -r /data /copy && rm /copy/0\nRUN cat /data/* > /all\nCOPY --from=busybox /etc /etc2\n"


def adopt_orphans():
    """From here on processes whose parents die become children of this one."""
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_for_orphans():
    """Waits until all processes are gone; Failure when some stay."""
    deadline = time.monotonic() + SECONDS_TO_END
    with contextlib.suppress(ChildProcessError):
        while True:
            ended, _ = os.waitpid(-1, os.WNOHANG)
            if ended == 0 and time.monotonic() > deadline:
                raise Failure("processes are left")
            if ended == 0:
                time.sleep(0.005)


def names_of(store):
    """{name: digest} of the store's images."""
    with open(os.path.join(store, "index.json"), encoding="utf-8") as file:
        entries = json.load(file)["manifests"]
    return {entry["annotations"]["io.containerd.image.name"]: entry["digest"] for entry in entries
            if "io.containerd.image.name" in entry.get("annotations", {})}


class Campaign:
    """One store, and the commands that run on it."""

    def __init__(self, workshop, seed):
        self.workshop = workshop
        self.chance = random.Random(seed)
        self.store = workshop.path("store")
        self.contexts = {"mixed": workshop.context,
                         "long": workshop.write("long", {"Buildfile": LONG, **{
                             f"data/{i}": random.Random(i).randbytes(4000) for i in range(60)}}),
                         "platforms": workshop.write("platforms", {"Buildfile": PLATFORMS, "data/a": "alpha\n"})}
        self.flags = {"platforms": ["--platform", "linux/amd64,linux/arm64"]}
        reference = workshop.path("reference")
        self.digests = {name: workshop.digest(reference, *self.build_arguments(name)) for name in self.contexts}
        self.archive = workshop.path("archive.tar")
        workshop.run(reference, "save", "-o", self.archive, "mixed:1")
        self.seconds = {}  # what a command of each kind took

    def build_arguments(self, name):
        return [*self.flags.get(name, []), "-t", f"{name}:1", self.contexts[name]]

    def command(self):
        """A kind, the arguments of one command of it, and the name that it may change."""
        kind = self.chance.choice(["known", "known", "new", "import", "load", "prune", "tag", "rm"])
        number = self.chance.randrange(4)
        if kind == "known":
            name = self.chance.choice(list(self.contexts))
            return name, ["build", "-q", *self.build_arguments(name)], f"{name}:1"
        if kind == "new":
            mark = self.chance.randbytes(8).hex()
            context = self.workshop.write("new", {"Buildfile": LONG + f"RUN echo {mark} > /mark\n",
                                                  "data/0": mark, "data/1": mark * 4000})
            return kind, ["build", "-q", "-t", f"new:{number}", context], f"new:{number}"
        if kind == "import":
            return kind, ["import", self.workshop.root_tar, f"imported:{number}"], f"imported:{number}"
        if kind == "load":
            return kind, ["load", "-i", self.archive], "mixed:1"
        if kind == "prune":
            return kind, ["prune", *self.chance.choice([[], ["--all"], ["--keep-storage", "2mb"]])], None
        name = self.chance.choice([f"new:{number}", f"imported:{number}", f"more:{number}"])
        if kind == "tag":
            return kind, ["tag", "mixed:1", name], name
        return kind, ["rm", name], name

    def kill_one(self):
        """Runs one command; true when it was killed before it ended."""
        kind, arguments, name = self.command()
        before = names_of(self.store)
        process = self.workshop.start(self.store, *arguments)
        begun = time.monotonic()
        moment = self.chance.uniform(0, self.seconds.get(kind, 1))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=moment)
        if process.poll() is None:
            # Alone: then what it started has to notice.
            (os.killpg if self.chance.random() < 0.5 else os.kill)(process.pid, signal.SIGKILL)
        else:
            self.seconds[kind] = time.monotonic() - begun
        for stream in (process.stdout, process.stderr):
            stream.close()
        process.wait()
        try:
            wait_for_orphans()
            self.workshop.check(self.store)
            self.compare_names(before, name)
        except Failure as failure:
            raise Failure(f"{' '.join(arguments)} after {moment:.3f} s, status {process.returncode}: {failure}") from failure
        return process.returncode == -signal.SIGKILL

    def compare_names(self, before, changing):
        after = names_of(self.store)
        for name in before.keys() | after.keys():
            if before.get(name) != after.get(name) and name != f"docker.io/library/{changing}":
                raise Failure(f"{name} stood for {before.get(name)} and now for {after.get(name)}")

    def check_builds(self):
        for name, digest in self.digests.items():
            found = self.workshop.digest(self.store, *self.build_arguments(name))
            if found != digest:
                raise Failure(f"{name} is built as {found} and not {digest}")
        # Every byte of an image that is named can be written out.
        out = self.workshop.path("out.tar")
        self.workshop.run(self.store, "save", "-o", out, "long:1")
        os.unlink(out)


def campaign(program, kills, seed, under=None):
    """Runs commands until `kills` of them were killed. Gives how many were run, and the faults."""
    adopt_orphans()
    killed = rounds = 0
    faults = []
    with Workshop(program, under) as workshop:
        mix = Campaign(workshop, seed)
        mix.check_builds()
        while killed < kills:
            rounds += 1
            try:
                killed += mix.kill_one()
                if rounds % CHECK_BUILDS_EACH == 0 or killed == kills:
                    mix.check_builds()
            except Failure as failure:
                killed += 1
                faults.append(f"round {rounds}: {failure}")
                print(faults[-1], flush=True)
    return rounds, faults


def main():
    parser = argparse.ArgumentParser(description="kill commands at random moments")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--under")
    options = parser.parse_args()
    program = os.environ.get("IMGBUILD", os.path.join(ROOT, "build", "imgbuild"))
    rounds, faults = campaign(program, options.kills, options.seed, options.under)
    print(f"{rounds} commands, {options.kills} of them killed, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
