# SPDX-License-Identifier: Apache-2.0
"""One manifest digest per Buildfile, whatever varies around the build: the table of tests/rungs, built in many ways.

A part of the table is built, with IMGBUILD_TEST_ALL=1 all of it. What varies:

    where       two stores and two folders, on a disk and in memory, whose directories list their names in other orders
    who         root and an ordinary user in a user namespace (the other rungs: test_rungs)
    around      host name, umask, locale, time zone, names of users, times of the context's files (some in the future)
    how many    1, 2 and 7 jobs
    cache       nothing known, everything known, a cache in a directory, a cache in a registry
    context     a directory, a tar whose members stand in another order, a repository

The clock is not among them: no namespace has one of its own, the program is linked statically, so that nothing can be
put between it and the kernel's clock, and the machine's own clock belongs to everybody. That two builds are never at
the same time is all that varies of it.
"""

import os
import shutil
import stat
import tarfile
import tempfile
import unittest

from rungs.buildfiles import BUILDFILES, DIFFERENCES, SECRET
from support.case import EndToEnd, File, Link, need_root, need_tool, write_tree
from support.git import Repository
from support.registry import start_registry
from support.rungs import KINDS, Place
from support.web import serve_folder

LEAST = 25
PART = 2
OFTEN = 6  # of how many Buildfiles one goes through a registry
FUTURE = 4_000_000_000

# One shell builds all. @ in the flags stands for the Buildfile's number.
BUILD_ALL = """
work=$1 suffix=$2 flags=$3; shift 3
cd "$work"
for name in "$@"; do
  if found=$(echo "$flags" | sed "s/@/$name/g" | cat - "$name.options" | xargs imgbuild build -q "$name$suffix" 2>&1)
  then echo "$name $found"
  else echo "$name $(echo "$found" | tail -n 3 | tr '\\n' ' ')"; fi
done
"""


def names_of_part():
    """{number: name} of the Buildfiles that are built; what some rung cannot do is left to test_rungs."""
    names = [name for name in BUILDFILES if name not in DIFFERENCES]
    has_context = {name for name in names if BUILDFILES[name][1]}
    if not os.environ.get("IMGBUILD_TEST_ALL"):
        names = [name for place, name in enumerate(names) if place % PART == 0 or name in has_context]
    return {f"{number:02}": name for number, name in enumerate(names)}


def scatter_times(folder):
    """Other times on everything, some of them in the future."""
    for number, (path, _, names) in enumerate(os.walk(folder)):
        for name in names:
            os.utime(os.path.join(path, name), (FUTURE - number, 1 + number), follow_symlinks=False)


def copy_backwards(source, target):
    """A copy whose directories are filled from the last name to the first."""
    os.mkdir(target)
    for name in sorted(os.listdir(source), reverse=True):
        here, there = os.path.join(source, name), os.path.join(target, name)
        if os.path.isdir(here):
            copy_backwards(here, there)
        else:
            shutil.copy2(here, there, follow_symlinks=False)
    shutil.copymode(source, target)


def relink(source, target):
    """What copy_backwards() made two files of is one again."""
    first = {}
    for path, _, names in os.walk(source):
        for name in sorted(names):
            full = os.path.join(path, name)
            status = os.lstat(full)
            if status.st_nlink < 2:
                continue
            copy = os.path.join(target, os.path.relpath(full, source))
            if (other := first.setdefault(status.st_ino, copy)) != copy:
                os.unlink(copy)
                os.link(other, copy)


def pack_backwards(folder, path):
    """The folder as a tar whose members stand in another order; links come after what they link to."""
    found = [os.path.join(at, name) for at, folders, files in os.walk(folder) for name in folders + files]
    with tarfile.open(path, "w") as archive:
        for full in sorted(found, reverse=True):
            archive.add(full, os.path.relpath(full, folder), recursive=False)


class Matrix(EndToEnd):
    def setUp(self):
        super().setUp()
        need_root()
        self.names = names_of_part()
        self.assertGreaterEqual(len(self.names), LEAST)
        kinds = {kind.name: kind for kind in KINDS}
        self.root = Place(self, kinds["root"])
        if reason := self.root.missing():
            raise unittest.SkipTest(reason)
        self.work = self.make_folder("work")
        for number, name in self.names.items():
            text, tree, options = BUILDFILES[name]
            write_tree(os.path.join(self.work, number), {"Buildfile": text, **tree})
            write_tree(self.work, {number + ".options": " ".join(options)})
        self.kinds = kinds

    def digests(self, place, work=None, flags="", suffix="", names=None, prefix=(), **env):
        """{name: digest, or what the build said instead}"""
        names = names or self.names
        shell = ["sh", "-c", BUILD_ALL, "sh", work or self.work, suffix, f"--root-mode={place.kind.mode} {flags}", *names]
        said = place.run(*prefix, *shell, env={"KEY": SECRET, **env}).stdout
        found = dict(line.split(" ", 1) for line in said.splitlines())
        return {name: found[number] for number, name in names.items()}

    def assert_same(self, found, expected, what):
        wrong = [f"{what}: {name}: {digest} and not {expected[name]}" for name, digest in found.items()
                 if digest != expected[name]]
        self.assertEqual(wrong, [])

    def other_copy(self, folder):
        """The contexts once more, in another order and with other times."""
        os.makedirs(folder)
        for number in self.names:
            source, copy = os.path.join(self.work, number), os.path.join(folder, number)
            copy_backwards(source, copy)
            relink(source, copy)
            scatter_times(copy)
            shutil.copy(source + ".options", folder)
        return folder

    def test_one_digest_for_each_buildfile(self):
        expected = self.digests(self.root, flags="--jobs 2 --cache-to type=local,dest=" + self.path("caches", "@"))
        failed = {name: digest for name, digest in expected.items() if not digest.startswith("sha256:")}
        self.assertEqual(failed, {})

        warm = self.digests(self.root, flags="--require-cached")
        self.assert_same(warm, expected, "everything known")

        memory = tempfile.mkdtemp(prefix="imgbuild-e2e-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, memory, ignore_errors=True)
        elsewhere = self.other_copy(os.path.join(memory, "a", "deeper", "folder"))
        others = ["unshare", "--uts", "sh", "-c", 'hostname elsewhere; umask 077; exec "$@"', "sh"]
        found = self.digests(self.root, work=elsewhere, flags="--jobs 7", prefix=others, TZ="Asia/Tokyo",
                             LANG="de_DE.UTF-8", LC_ALL="C", USER="somebody", LOGNAME="somebody",
                             IMGBUILD_STORE=os.path.join(memory, "store"))
        self.assert_same(found, expected, "in memory, with other surroundings")

        found = self.digests(self.root, flags="--require-cached --cache-from type=local,src=" + self.path("caches", "@"),
                             IMGBUILD_STORE=self.path("store-of-cache"))
        self.assert_same(found, expected, "from a cache in a directory")

        for number in self.names:
            pack_backwards(os.path.join(elsewhere, number), os.path.join(self.work, number + ".tar"))
        with_context = {number: name for number, name in self.names.items() if BUILDFILES[name][1]}
        found = self.digests(self.root, suffix=".tar", names=with_context, IMGBUILD_STORE=self.path("store-of-tar"))
        self.assert_same(found, expected, "from a tar")

        self.through_a_registry(expected)
        self.by_an_ordinary_user(expected)

    def through_a_registry(self, expected):
        if shutil.which("docker-registry") is None:
            return
        registry = start_registry(self)
        part = {number: name for place, (number, name) in enumerate(self.names.items()) if place % OFTEN == 0}
        pushed = self.digests(self.root, names=part, flags=f"--cache-to type=inline --push -t {registry}/cache:@")
        self.assertEqual([digest for digest in pushed.values() if not digest.startswith("sha256:")], [])
        found = self.digests(self.root, names=part,
                             flags=f"--require-cached --cache-from type=registry,ref={registry}/cache:@",
                             IMGBUILD_STORE=self.path("store-of-registry"))
        self.assert_same(found, expected, "from a cache in a registry")

    def by_an_ordinary_user(self, expected):
        try:
            user = Place(self, self.kinds["userns"])
            reason = user.missing()
        except unittest.SkipTest:
            return
        if reason:
            return
        copy = self.other_copy(user.path("work"))
        for path, folders, names in os.walk(copy):
            for full in (os.path.join(path, name) for name in [".", *folders, *names]):
                mode = os.lstat(full).st_mode
                os.chown(full, user.identity["user"], user.identity["group"], follow_symlinks=False)
                if not stat.S_ISLNK(mode):
                    os.chmod(full, stat.S_IMODE(mode))  # a change of owner takes set-uid bits away
        self.assert_same(self.digests(user, work=copy, flags="--jobs 1"), expected, "by an ordinary user")

    def test_a_context_is_the_same_from_a_directory_a_tar_and_a_repository(self):
        need_tool("git")
        tree = {"Buildfile": "FROM scratch\nCOPY . /all/\nCOPY --parents d/*/f /parents/\nCOPY --chmod=751 run l /some/\n",
                "run": File(b"#!/bin/sh\n", 0o755), "d/e/f": "deep\n", "d/g/f": "deeper\n", "plain": "plain\n", "l": Link("d/e")}
        web = self.make_folder("web")
        Repository(self, "repository", tree, web)
        address, _ = serve_folder(self, web)
        # As another checkout would have them.
        folder = self.context({**tree, "run": File(b"#!/bin/sh\n", 0o700), "plain": File(b"plain\n", 0o660)})
        os.chmod(os.path.join(folder, "d"), 0o2770)
        pack_backwards(folder, self.path("context.tar"))
        contexts = [folder, self.path("context.tar"), f"{address}/repository.git"]
        found = {context: self.imgbuild("build", "-q", "--context-modes=git", context,
                                        env={"IMGBUILD_STORE": self.path("store", str(number))}).digest
                 for number, context in enumerate(contexts)}
        self.assertEqual(len(set(found.values())), 1, found)
