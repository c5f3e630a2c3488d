#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Damages each file of a small store in turn, and looks that it is found, never given away, and made again.

usage: rot.py [--share N/M] [--under DIR]
  --share N/M  only the N-th of each M cases, counted from 0 (default: all)
  --under DIR  a place for the stores (default: a file system in memory)
IMGBUILD names the program (default: build/imgbuild). Needs root.

A byte at the start, in the middle or at the end becomes another, or the file is cut to nothing or to half. Then fsck
names what is damaged; save, export and a build that writes a layout give the bytes that they gave before or refuse; the
build makes again what it needs; and after `fsck --repair` and the build everything is as it was.
exit status: 0 when nothing was found.
"""

import argparse
import contextlib
import hashlib
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from faults.workshop import Failure, ROOT, Workshop, judge_message  # noqa: E402  (the path is set above)

DAMAGES = ("start", "middle", "end", "empty", "half")
# Files without which nothing is lost, and that no check has to find: a lock, what the next build measures anew, what
# stands for the case that index.json is lost, marks whose loss makes a delta again, and what SQLite keeps beside.
MAY_GO_UNFOUND = ("use.lock", "store.db.lock", "index.json.lock", "leases.lock", "locks/", "contexts/",
                  "index.json.previous", "index.json.sum", "store.db-shm", "store.db-wal", "deltas/synced/", "/complete", "/seal",
                  "/locks/", "mounts/", "logs/")


def damage(path, how):
    """Changes a file behind the store's back, with its times set back; false when there is nothing to change."""
    before = os.stat(path)
    if before.st_size == 0:
        return False
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        if how in ("empty", "half"):
            file.truncate(0 if how == "empty" else before.st_size // 2)
        else:
            place = {"start": 0, "middle": before.st_size // 2, "end": before.st_size - 1}[how]
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 0x15]))
    os.chmod(path, before.st_mode & 0o7777)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return True


def content_of(path):
    """A digest of a file, or of all files below a folder."""
    whole = hashlib.sha256()
    names = [path] if os.path.isfile(path) else sorted(os.path.join(folder, name)
                                                       for folder, _, files in os.walk(path) for name in files)
    for name in names:
        with open(name, "rb") as file:
            whole.update(os.path.relpath(name, path).encode() + b"\0" + file.read())
    return whole.hexdigest()


class Rot:
    """A store that is made anew for each case: a copy would have other inodes, and its deltas would be made again."""

    def __init__(self, workshop):
        self.workshop = workshop
        self.store = workshop.path("store")
        self.make_store()
        self.wanted = {what: self.output(what) for what in ("save", "export", "layout")}
        self.files = sorted(os.path.relpath(os.path.join(folder, name), self.store)
                            for folder, _, names in os.walk(self.store) for name in names if self.is_worth(folder, name))

    def is_worth(self, folder, name):
        path = os.path.join(folder, name)
        return os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path) > 0 and os.stat(path).st_nlink < 3

    def make_store(self):
        shutil.rmtree(self.store, ignore_errors=True)
        self.digest = self.workshop.digest(self.store, "-t", "app:1", self.workshop.context)
        self.workshop.run(self.store, "import", self.workshop.root_tar, "imported:1")

    def output(self, what):
        """What a command gives, or nothing where it refuses."""
        out = self.workshop.path("out")
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(out) if os.path.isdir(out) else os.unlink(out)
        arguments = {"save": ["save", "-o", out, "app:1"], "export": ["export", "-o", out, "app:1"],
                     "layout": ["build", "-q", "-o", f"type=oci,tar=false,dest={out}", self.workshop.context]}[what]
        done = self.workshop.run(self.store, *arguments, may_fail=True)
        if done.returncode == 0:
            return content_of(out)
        judge_message(done.returncode, done.stderr)
        if os.path.isfile(out) or os.path.exists(os.path.join(out, "index.json")):
            raise Failure(f"{what} leaves a part of its output")
        return None

    def try_file(self, file, how):
        """One case; false when the file is gone or empty by now."""
        self.make_store()
        path = os.path.join(self.store, file)
        if not os.path.isfile(path) or not damage(path, how):
            return False
        if file == "format":  # nothing works before it is mended as the message says
            judge_message(self.workshop.run(self.store, "images", may_fail=True).returncode, "imgbuild: ")
            return True
        found = self.workshop.run(self.store, "fsck", may_fail=True)
        if found.returncode == 0 and not any(part in "/" + file for part in MAY_GO_UNFOUND) and not self.is_as_good(file):
            raise Failure("fsck does not find it")
        if found.returncode != 0:
            judge_message(found.returncode, found.stderr)
        for what in ("save", "export", "layout"):
            given = self.output(what)
            if given not in (None, self.wanted[what]):
                raise Failure(f"{what} gives away other bytes")
            if what == "layout" and given is None and file not in ("oci-layout", "index.json"):
                raise Failure("the build does not make it again")
        self.workshop.run(self.store, "fsck", "--repair", may_fail=True)
        if self.workshop.digest(self.store, "-t", "app:1", self.workshop.context) != self.digest:
            raise Failure("the build gives another image")
        for what, wanted in self.wanted.items():
            if self.output(what) != wanted:
                raise Failure(f"{what} is not as before after the repair")
        self.workshop.check(self.store)
        return True

    def is_as_good(self, file):
        """Whether the bytes that changed say the same, or nothing that could be checked: a page of the database that is
        free, a letter of a name in index.json."""
        return file in ("store.db", "index.json")


def campaign(program, share=(0, 1), under=None):
    """Gives the number of cases that were tried, and the faults."""
    tried = 0
    faults = []
    with Workshop(program, under) as workshop:
        rot = Rot(workshop)
        cases = [(file, how) for file in rot.files for how in DAMAGES]
        for file, how in cases[share[0]::share[1]]:
            try:
                tried += rot.try_file(file, how)
            except Failure as failure:
                tried += 1
                faults.append(f"{file}: {how}: {failure}")
                print(faults[-1][:1500], flush=True)
    return tried, faults


def main():
    parser = argparse.ArgumentParser(description="damage each file of a store in turn")
    parser.add_argument("--share", default="0/1")
    parser.add_argument("--under")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("rot.py: needs root", file=sys.stderr)
        return 2
    share = tuple(int(number) for number in options.share.split("/"))
    tried, faults = campaign(os.environ.get("IMGBUILD", os.path.join(ROOT, "build", "imgbuild")), share, options.under)
    print(f"{tried} cases, {len(faults)} faults")
    return 1 if faults or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
