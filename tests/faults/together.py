#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs eight builds at once on one store, with prune, fsck and other commands in a loop beside them.

usage: together.py [--rounds N] [--under DIR]
  --rounds N   how often (default 20)
  --under DIR  a place for the stores (default: a file system in memory)
IMGBUILD names the program (default: build/imgbuild).

Four builds do the same, of which one command makes something else each time it runs. In every second round the store is
held open, so that no prune finds itself alone with it and takes all: then they give one image, because the command ran
once. In the others the store is only made by the first that comes. The other builds differ. Nothing fails, every name is
there in the end, and what is built stands as it is built alone.
exit status: 0 when nothing was found.
"""

import argparse
import contextlib
import fcntl
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from faults.kills import names_of  # noqa: E402  (the path is set above)
from faults.workshop import Failure, ROOT, Workshop  # noqa: E402

SAME = 4
OTHERS = 4
BESIDE = (["prune"], ["fsck"], ["prune", "--all"], ["images"], ["prune", "--keep-storage", "1mb"], ["du"])


class Together:
    """One store, and the commands that run on it at the same time."""

    def __init__(self, workshop):
        self.workshop = workshop
        self.faults = []
        self.contexts = [workshop.write(f"other{i}", {
            "Buildfile": f"FROM busybox\nCOPY data /data\nRUN cp -r /data /copy{i}\nRUN rm /data/0\n",
            **{f"data/{n}": f"{n % 2 and i}{n}" * 1000 for n in range(20)}}) for i in range(OTHERS)]
        self.alone = [workshop.digest(workshop.path("alone"), context) for context in self.contexts]

    def try_to(self, action, *arguments):
        """Runs `action` in a thread; what it finds is kept."""
        def work():
            try:
                action(*arguments)
            except Failure as failure:
                self.faults.append(str(failure))
        thread = threading.Thread(target=work)
        thread.start()
        return thread

    def build_same(self, store, context, digests):
        digests.append(self.workshop.digest(store, "-t", f"same:{len(digests)}", context))

    def build_other(self, store, number):
        found = self.workshop.digest(store, "-t", f"other:{number}", self.contexts[number])
        if found != self.alone[number]:
            raise Failure(f"other:{number} is built as {found} and not {self.alone[number]}")

    def run_beside(self, store, is_over):
        for turn in range(1 << 30):
            if is_over.is_set():
                return
            self.workshop.run(store, *BESIDE[turn % len(BESIDE)])

    def name_and_remove(self, store, is_over):
        self.workshop.run(store, "import", self.workshop.root_tar, "imported:1")
        while not is_over.is_set():
            self.workshop.run(store, "tag", "imported:1", "imported:2")
            self.workshop.run(store, "rm", "imported:2")

    def round(self, number):
        store = self.workshop.path(f"store{number}")
        is_held = number % 2 == 1
        held = self.hold(store) if is_held else contextlib.nullcontext()
        same = self.workshop.write("same", {"Buildfile": "FROM busybox\nCOPY data /data\nRUN sleep 0.2; cat "
                                                         f"/proc/sys/kernel/random/uuid > /id{number}\n", "data/a": "a\n"})
        digests = []
        is_over = threading.Event()
        with held:
            self.run_all(store, same, digests, is_over)
        self.try_to(self.look_at, store, digests, is_held).join()

    @contextlib.contextmanager
    def hold(self, store):
        """Has the store open as one more process that works on it."""
        self.workshop.run(store, "images")
        with open(os.path.join(store, "use.lock"), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield

    def run_all(self, store, same, digests, is_over):
        beside = [self.try_to(self.run_beside, store, is_over), self.try_to(self.name_and_remove, store, is_over)]
        builds = [self.try_to(self.build_same, store, same, digests) for _ in range(SAME)]
        builds += [self.try_to(self.build_other, store, i) for i in range(OTHERS)]
        for thread in builds:
            thread.join()
        is_over.set()
        for thread in beside:
            thread.join()

    def look_at(self, store, digests, is_held):
        if is_held and len(set(digests)) != 1:
            raise Failure(f"builds of the same gave {digests}")
        missing = {f"docker.io/library/other:{i}" for i in range(OTHERS)} - names_of(store).keys()
        if missing or "docker.io/library/imported:1" not in names_of(store):
            raise Failure(f"names were lost: {missing or 'imported:1'}")
        for number in range(OTHERS):
            # Whole, although everything else may have been pruned.
            self.workshop.run(store, "export", "-o", self.workshop.path("out.tar"), f"other:{number}")
            self.build_other(store, number)
        self.workshop.check(store)


def campaign(program, rounds, under=None):
    """Gives the faults of `rounds` rounds."""
    with Workshop(program, under) as workshop:
        together = Together(workshop)
        for number in range(rounds):
            known = len(together.faults)
            together.round(number)
            for fault in together.faults[known:]:
                print(f"round {number + 1}: {fault}", flush=True)
        return together.faults


def main():
    parser = argparse.ArgumentParser(description="run eight builds at once on one store")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--under")
    options = parser.parse_args()
    faults = campaign(os.environ.get("IMGBUILD", os.path.join(ROOT, "build", "imgbuild")), options.rounds, options.under)
    print(f"{options.rounds} rounds, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
