# SPDX-License-Identifier: Apache-2.0
"""Builds one case with imgbuild and with buildah, and says where the two results differ."""

import dataclasses
import os
import shutil
import subprocess

import fixtures
from support.case import ROOT, write_tree
from support.oci import DockerFolder, open_layout
from support.tree import differences, link_groups, tree_of_image

LIMIT_SECONDS = 120
REFUSAL_LINES = 3
FIELDS = ("Env", "Cmd", "Entrypoint", "WorkingDir", "User", "ExposedPorts", "Volumes", "Labels", "StopSignal", "Healthcheck",
          "Shell", "OnBuild")
# A RUN of buildah leaves mount points of its own behind.
MOUNT_POINTS_OF_BUILDAH = ("etc/hosts", "etc/resolv.conf", "etc/hostname", "run/.containerenv", "run/secrets")


@dataclasses.dataclass(frozen=True)
class Case:
    """A Buildfile, what it is built from, and further arguments for both tools; no files: the shared context."""

    name: str
    text: str
    files: dict | None = None
    arguments: tuple = ()


@dataclasses.dataclass
class Outcome:
    """What a build came to: the reason of its refusal, or an image."""

    refusal: str = ""
    tree: dict = dataclasses.field(default_factory=dict)
    config: dict = dataclasses.field(default_factory=dict)

    @staticmethod
    def of_image(image):
        return Outcome(tree=tree_of_image(image), config=image.config.get("config") or {})


def prepare(folder):
    """Writes below a folder what all benches share: the bases and the shared context."""
    busybox = os.path.join(folder, "busybox.tar")
    subprocess.run([os.path.join(ROOT, "scripts", "make-busybox.sh"), busybox], check=True, capture_output=True)
    fixtures.write_bases(os.path.join(folder, "bases"), busybox)
    write_tree(os.path.join(folder, "context"), fixtures.CONTEXT)


class Bench:
    """A store of imgbuild and a storage of buildah below a folder of their own, both with the bases in them."""

    def __init__(self, shared, name, program):
        self.folder = os.path.join(shared, name)
        self.program = program
        self.layout = os.path.join(shared, "bases")
        self.shared_context = os.path.join(shared, "context")
        os.makedirs(os.path.join(self.folder, "home"))
        for base in fixtures.BASES:
            pulled = self.buildah("pull", "--quiet", f"oci:{self.layout}:{base}")
            if pulled.returncode != 0:
                raise RuntimeError(f"buildah cannot take in a base: {pulled.stderr}")
            self.buildah("tag", pulled.stdout.strip(), f"localhost/{base}")

    def run(self, *command):
        environment = {"PATH": os.environ["PATH"], "HOME": os.path.join(self.folder, "home"), "LANG": "C.UTF-8",
                       "TMPDIR": self.folder, "IMGBUILD_STORE": os.path.join(self.folder, "store"),
                       # buildah starts itself again for each thing it does, too short to collect garbage.
                       "GOGC": "off", "GOMAXPROCS": "1"}
        return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=LIMIT_SECONDS, check=False, umask=0o022)

    def buildah(self, *arguments):
        return self.run("buildah", "--root", os.path.join(self.folder, "storage"), "--runroot",
                        os.path.join(self.folder, "run"), "--storage-driver", "overlay", *arguments)

    def ours(self, buildfile, context, arguments):
        out = os.path.join(self.folder, "ours")
        bases = [f"--build-context=localhost/{base}=oci-layout://{self.layout}:{base}" for base in fixtures.BASES]
        done = self.run(self.program, "build", "--quiet", "--pull=never", *bases, "--file",
                        buildfile, "-o", f"type=oci,tar=false,dest={out}", *arguments, context)
        return self.outcome(done, out, open_layout)

    def theirs(self, buildfile, context, arguments):
        out = os.path.join(self.folder, "theirs")
        # Docker's format: OCI's has no place for SHELL, HEALTHCHECK and ONBUILD, which buildah then leaves out.
        done = self.buildah("bud", "--isolation", "chroot", "--pull-never", "--layers=false", "--format", "docker",
                            "--identity-label=false", "--tag", f"dir:{out}", "--file", buildfile, *arguments, context)
        return self.outcome(done, out, DockerFolder)

    @staticmethod
    def outcome(done, out, read):
        if done.returncode != 0:
            shutil.rmtree(out, ignore_errors=True)
            return Outcome(refusal="\n".join(done.stderr.strip().splitlines()[-REFUSAL_LINES:]) or f"status {done.returncode}")
        try:
            return Outcome.of_image(read(out))
        finally:
            shutil.rmtree(out)

    def compare(self, case):
        """The differences of a case as {place: text}: a path, links, a field of the config, or who refuses."""
        buildfile = os.path.join(self.folder, "Buildfile")
        with open(buildfile, "w", encoding="utf-8", newline="") as file:
            file.write(case.text)
        context = self.shared_context
        if case.files is not None:
            context = os.path.join(self.folder, "context")
        try:
            if case.files is not None:
                os.mkdir(context)
                write_tree(context, case.files)
            return places(self.ours(buildfile, context, case.arguments), self.theirs(buildfile, context, case.arguments))
        finally:
            if context != self.shared_context:
                shutil.rmtree(context)


def places(ours, theirs):
    if ours.refusal and theirs.refusal:
        return {"refused by both": ours.refusal + "\n" + theirs.refusal}
    if ours.refusal:
        return {"refused by imgbuild": ours.refusal}
    if theirs.refusal:
        return {"refused by buildah": theirs.refusal}
    for path in MOUNT_POINTS_OF_BUILDAH:
        if path not in ours.tree:
            theirs.tree.pop(path, None)
    found = {}
    for line in differences(ours.tree, theirs.tree):
        place, _, text = line.partition(": ")
        found[place] = text
    for group in link_groups(ours.tree) ^ link_groups(theirs.tree):
        side, tree = ("imgbuild", ours.tree) if group in link_groups(ours.tree) else ("buildah", theirs.tree)
        paths = sorted(group)
        found[f"links of {side}: " + " ".join("/" + path for path in paths)] = f"one {tree[paths[0]].kind} there"
    for field in FIELDS:
        # Nothing and an empty list say the same.
        if (ours.config.get(field) or None) != (theirs.config.get(field) or None):
            found[field] = f"{ours.config.get(field)}, theirs {theirs.config.get(field)}"
    return found
