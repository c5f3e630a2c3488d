# SPDX-License-Identifier: Apache-2.0
"""The places in which a build is isolated differently: each rung of the ladder, as root, as an ordinary user and in an
ordinary container. What a machine does not offer is told by `imgbuild doctor`, with the reason."""

import dataclasses
import os
import re
import shutil
import subprocess
import unittest

from support.case import COMMAND_LIMIT_SECONDS, PROGRAM, Result, need_root
from support.container import need_container
from support.user import ordinary_user

# Root has no subordinate ids of its own on most machines: they are given in a mount namespace that goes away again.
WITH_SUBORDINATE_IDS = """
set -e
for file in subuid subgid; do
  test -e /etc/$file || touch /etc/$file
  mount --bind "$0" /etc/$file
done
exec "$@"
"""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A place by the name that tables call it, with who builds there and on which rung."""

    name: str
    mode: str
    who: str  # "root", "user" or "container"


KINDS = [Kind("root", "root", "root"), Kind("userns, as root", "userns", "root"), Kind("userns", "userns", "user"),
         Kind("single, as root", "single", "root"), Kind("single", "single", "user"),
         Kind("chroot, in a container", "chroot", "container")]


class Place:
    """Somewhere commands run: `folder` is what a build there can read and write, `inside` its path there."""

    def __init__(self, case, kind):
        self.case = case
        self.kind = kind
        self.folder = case.make_folder("places", re.sub(r"\W+", "-", kind.name))
        self.inside = self.folder
        self.container = None
        self.prefix = []
        self.identity = {}
        self.program = case.program
        {"root": self._as_root, "user": self._as_user, "container": self._in_container}[kind.who]()
        if kind.who != "container":
            os.makedirs(os.path.join(self.folder, "tmp"), exist_ok=True)
            self._give_to_builder(os.path.join(self.folder, "tmp"))

    def _as_root(self):
        need_root()
        if self.kind.mode == "userns":
            ids = self.case.path("subordinate-ids")
            with open(ids, "w", encoding="ascii") as file:
                file.write("root:500000000:65536\n")
            self.prefix = ["unshare", "--mount", "sh", "-c", WITH_SUBORDINATE_IDS, ids]

    def _as_user(self):
        user = ordinary_user()
        self.identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        copy = self.case.path("bin")
        source = os.path.dirname(os.path.realpath(PROGRAM))
        if not os.path.isdir(copy):
            os.mkdir(copy)
            shutil.copy(PROGRAM, os.path.join(copy, "imgbuild"))
            shutil.copytree(os.path.join(source, "libexec"), os.path.join(copy, "libexec"))
        self.program = os.path.join(copy, "imgbuild")
        for folder in (self.case.folder, self.case.path("places")):
            os.chmod(folder, 0o755)
        self._give_to_builder(self.folder)

    def _in_container(self):
        self.container = need_container(self.case)
        self.program = "imgbuild"
        self.folder = self.container.root
        self.inside = ""

    def _give_to_builder(self, path):
        if self.identity:
            os.chown(path, self.identity["user"], self.identity["group"])

    def path(self, name):
        """The path that a build here knows `name` of the folder by."""
        return f"{self.inside}/{name}"

    def store(self):
        """Where the store lies, as seen from outside."""
        return os.path.join(self.folder, "store")

    def run(self, *arguments, status=0, env=None):
        """Runs a command as who builds here, to its end."""
        if self.container:
            return self.container.run(*arguments, status=status, env=env)
        own = {"IMGBUILD_STORE": self.store(), "TMPDIR": os.path.join(self.folder, "tmp"), "HOME": self.folder,
               "PATH": os.path.dirname(self.program) + ":/usr/sbin:/usr/bin:/sbin:/bin", **(env or {})}
        done = subprocess.run([*self.prefix, *arguments], env=self.case.environment(**own), cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              timeout=COMMAND_LIMIT_SECONDS, check=False, **self.identity)
        if status is not None:
            self.case.assertEqual(done.returncode, status, f"{self.kind.name}: {arguments}\n{done.stdout}{done.stderr}")
        return Result(done.returncode, done.stdout, done.stderr)

    def imgbuild(self, *arguments, status=0, env=None):
        return self.run(self.program, *arguments, status=status, env=env)

    def build(self, *arguments, status=0, env=None):
        """A build on this place's rung."""
        return self.imgbuild("build", "--progress=plain", f"--root-mode={self.kind.mode}", *arguments, status=status,
                             env=env)

    def has_own_network(self):
        """True where commands have a network of their own, with a way out."""
        if self.kind.mode == "chroot":
            return False
        said = self.imgbuild("doctor", status=None).stdout
        return "\ntheir own, and the way out is " in said

    def missing(self):
        """Why the rung of this place is not offered here; empty where it is."""
        said = self.imgbuild("doctor", status=None)
        found = re.search(rf"^{self.kind.mode} +(yes|no)(?:: (.*))?$", said.stdout, re.MULTILINE)
        if not found:
            return f"doctor does not name {self.kind.mode}: {said.stderr.strip()}"
        return "" if found[1] == "yes" else found[2] or "no reason given"


def places_of(case):
    """The places that this machine offers, and {name: reason} of the others."""
    offered, missing = [], {}
    for kind in KINDS:
        try:
            place = Place(case, kind)
            reason = place.missing()
        except unittest.SkipTest as skipped:
            reason = str(skipped)
        if reason:
            missing[kind.name] = reason
        else:
            offered.append(place)
    return offered, missing
