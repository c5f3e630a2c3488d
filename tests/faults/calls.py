#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lets each system call of a command fail in turn, and looks whether the store is sound afterwards.

usage: calls.py [--seconds N] [--seed N] [--commands LIST] [--actions LIST] [--calls LIST] [--at N] [--under DIR]
  --seconds N      stop after trying so long (default: go through everything)
  --seed N         the order of what is tried when there is no time for all of it (default 1)
  --commands LIST  of build, rebuild, import, load, tag, rm, prune, save, repair (default: all)
  --actions LIST   of ENOSPC, EIO, EINTR and other names of errors, short, kill, crash (default: those six)
  --calls LIST     system calls (default: those that write, open, rename, sync and link)
  --at N           only the N-th call
  --under DIR      a place for the stores (default: a file system in memory)
IMGBUILD names the program (default: build/imgbuild). Needs root.

A command whose call fails either does its work all the same or says in a line why not, with a status of its own. Then
fsck finds no fault, and the command once more does its work. A write that is interrupted or short is no reason to fail.
"kill" ends the process that calls, "crash" all processes at once. Prints a line for each fault and the counts at the end.
exit status: 0 when nothing was found.
"""

import argparse
import errno
import itertools
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from faults import inject  # noqa: E402  (the path is set above)
from faults.workshop import Failure, ROOT, Workshop, judge_message  # noqa: E402

DEFAULT_CALLS = ("write", "writev", "pwrite64", "pwritev", "open", "openat", "openat2", "rename", "renameat",
                 "renameat2", "fsync", "fdatasync", "syncfs", "link", "linkat")
DEFAULT_ACTIONS = ("ENOSPC", "EIO", "EINTR", "short", "kill", "crash")
WRITES = ("write", "writev", "pwrite64", "pwritev")


def action_of(word):
    if word in ("short", "kill", "crash"):
        return {"short": inject.SHORT, "kill": inject.KILL, "crash": inject.CRASH}[word]
    return getattr(errno, word)


class Command:
    """A command on a store that others prepared: its arguments, and what it must print when it did its work."""

    def __init__(self, workshop, name):
        self.workshop = workshop
        self.name = name
        self.template = workshop.path("template-" + name)
        self.out = workshop.path("out.tar")
        getattr(self, "prepare_" + name)()
        # What it prints for good; of the others only the status counts.
        self.wanted = self.workshop.run(self.fresh("wanted"), *self.arguments).stdout if "-q" in self.arguments else None

    def prepare_build(self):
        self.arguments = ["build", "-q", "-t", "app:1", self.workshop.context]

    def prepare_rebuild(self):
        self.workshop.digest(self.template, "-t", "app:1", self.workshop.context)
        changed = self.workshop.path("changed")
        shutil.copytree(self.workshop.context, changed)
        self.workshop.write("changed", {"data/0": b"another\n"})
        self.arguments = ["build", "-q", "-t", "app:1", changed]

    def prepare_import(self):
        self.arguments = ["import", self.workshop.root_tar, "imported:1"]

    def prepare_load(self):
        source = self.workshop.path("source")
        self.workshop.digest(source, "-t", "app:1", self.workshop.context)
        archive = self.workshop.path("archive.tar")
        self.workshop.run(source, "save", "-o", archive, "app:1")
        self.arguments = ["load", "-i", archive]

    def prepare_images(self):
        self.workshop.digest(self.template, "-t", "app:1", "-t", "app:2", self.workshop.context)
        self.workshop.run(self.template, "import", self.workshop.root_tar, "imported:1")

    def prepare_tag(self):
        self.prepare_images()
        self.arguments = ["tag", "app:1", "more:1"]

    def prepare_rm(self):
        self.prepare_images()
        self.workshop.run(self.template, "tag", "app:1", "gone:1")
        self.arguments = ["rm", "gone:1"]

    def prepare_prune(self):
        self.prepare_images()
        self.workshop.run(self.template, "rm", "imported:1")
        self.arguments = ["prune", "--all"]

    def prepare_save(self):
        self.prepare_images()
        self.arguments = ["save", "-o", self.out, "app:1"]

    def prepare_repair(self):
        self.prepare_images()
        blobs = os.path.join(self.template, "blobs", "sha256")
        largest = max(os.listdir(blobs), key=lambda name: os.path.getsize(os.path.join(blobs, name)))
        with open(os.path.join(blobs, largest), "r+b") as file:
            file.write(b"rotten")
        self.arguments = ["fsck", "--repair"]

    def fresh(self, name):
        """A store as the command finds it."""
        store = self.workshop.path(name)
        shutil.rmtree(store, ignore_errors=True)
        if os.path.exists(self.out):
            os.unlink(self.out)
        if os.path.exists(self.template):
            # With its devices and attributes, which shutil does not copy.
            subprocess.run(["cp", "-a", self.template, store], check=True)
        return store

    def try_with(self, calls, when, action):
        """One round. Gives what was hit; empty when the command makes fewer calls."""
        store = self.fresh("store")
        outcome = inject.run([self.workshop.program, *self.arguments], self.workshop.environment(store),
                             self.workshop.folder, calls, when, action)
        if not outcome.hit:
            return ""
        try:
            self.judge(outcome, action)
            self.judge_store(store, outcome)
        except Failure as failure:
            raise Failure(f"{outcome.hit}\n  {failure}") from failure
        return outcome.hit

    def judge(self, outcome, action):
        if outcome.is_late:
            raise Failure(f"hangs, or leaves processes: {outcome.left}: {outcome.stderr[-500:]}")
        if outcome.status == 0:
            if self.wanted is not None and outcome.stdout != self.wanted:
                raise Failure(f"prints another result: {outcome.stdout}")
        elif action == inject.CRASH or (action == inject.KILL and outcome.status == -9):
            return
        elif action == inject.SHORT or (action == errno.EINTR and outcome.hit.split()[0] in WRITES):
            raise Failure(f"is given up: {outcome.stderr[-500:]}")
        else:
            judge_message(outcome.status, outcome.stderr)

    def judge_store(self, store, outcome):
        if self.name == "repair":
            self.workshop.run(store, *self.arguments)
        elif os.path.exists(store):
            self.workshop.run(store, "fsck")
        if outcome.status == 0 and self.name == "save":
            self.workshop.run(self.workshop.path("loaded"), "load", "-i", self.out)
            shutil.rmtree(self.workshop.path("loaded"))
        if os.path.exists(self.out) and outcome.status not in (0, -9):
            raise Failure("a part of the output is left")
        again = self.workshop.run(store, *self.arguments, may_fail=self.name == "rm")
        if self.wanted is not None and again.stdout != self.wanted:
            raise Failure(f"the command once more prints another result: {again.stdout}")
        self.workshop.check(store)


def rounds(commands, options):
    """(command, calls, N, action) of all there is to try, in an order without end: N grows until a command has fewer
    calls. With --seconds they come shuffled, from a first run's counts."""
    for command, word in itertools.product(commands, options.actions):
        calls = [call for call in options.calls if word != "short" or call in inject.WRITES_ONE_BUFFER]
        store = command.fresh("store")
        count = inject.run([command.workshop.program, *command.arguments], command.workshop.environment(store),
                           command.workshop.folder, calls, 0, 0).count
        for when in [options.at] if options.at else range(1, count + 1):
            yield command, calls, when, word


def campaign(program, options):
    """Gives the counts of rounds that were made and of faults that were found."""
    made = faults = 0
    with Workshop(program, options.under) as workshop:
        commands = [Command(workshop, name) for name in options.commands]
        todo = rounds(commands, options)
        if options.seconds:
            todo = list(todo)
            random.Random(options.seed).shuffle(todo)
        begun = time.monotonic()
        for command, calls, when, word in todo:
            if options.seconds and time.monotonic() - begun > options.seconds:
                break
            try:
                made += bool(command.try_with(calls, when, action_of(word)))
            except Failure as failure:
                made += 1
                faults += 1
                print(f"{command.name}: {word} at call {when}: {str(failure)[:1500]}", flush=True)
    return made, faults


def options_of(arguments):
    parser = argparse.ArgumentParser(description="let each system call of a command fail in turn")
    names = [name.removeprefix("prepare_") for name in vars(Command) if name.startswith("prepare_")]
    names.remove("images")
    words = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", type=words, default=names)
    parser.add_argument("--actions", type=words, default=DEFAULT_ACTIONS)
    parser.add_argument("--calls", type=words, default=DEFAULT_CALLS)
    parser.add_argument("--at", type=int)
    parser.add_argument("--under")
    return parser.parse_args(arguments)


def main():
    options = options_of(sys.argv[1:])
    if not inject.can_inject():
        print("calls.py: needs root, and x86_64 or aarch64", file=sys.stderr)
        return 2
    made, faults = campaign(os.environ.get("IMGBUILD", os.path.join(ROOT, "build", "imgbuild")), options)
    print(f"{made} rounds, {faults} faults")
    return 1 if faults or not made else 0


if __name__ == "__main__":
    sys.exit(main())
