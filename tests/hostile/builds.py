#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds images on hostile layers, stacks of layers and layouts, and of hostile contexts, and compares with what must
happen to each.

usage: builds.py [--full] [--only PREFIX] [--as USER] IMGBUILD
  --full         also what takes long: bombs, files of many megabytes
  --only PREFIX  cases whose id begins like this (default: all of layer, layer-stack, oci-layout and context)
  --as USER      run the program as this user; needs root

"accept" must be built and hold what the case says, "refuse" refused with a reason, "neutralise" may be either. Whatever
happens: nothing crashes, hangs, prints a control character or uses more memory than its case allows; what stands outside
stays as it was; a build that fails leaves no image, no output and nothing in work; one that does not leaves a sound store.
exit status: 0 when every case behaved.
"""

import argparse
import contextlib
import json
import os
import pwd
import re
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

from cases import BASE_MEMORY, REFUSALS, control_characters, make_cases, run_limited  # noqa: E402
from hostile_results import RESULTS  # noqa: E402  (the path is set above)
from support.oci import CONFIG_TYPE, INDEX_TYPE, LAYER_TYPE, MANIFEST_TYPE, sha256  # noqa: E402
from support.tree import tree_of_tar  # noqa: E402

KINDS = ("layer/", "layer-stack/", "oci-layout/", "context/")
PATIENCE = 3  # times the seconds of a case, on a machine that does other things too
SECRET = "s3cr3t-c4n4ry-value"
RACE_SECONDS = 3
# What the program refuses although the case would have it taken.
UNSUPPORTED = {"oci-layout/ok-sha512-layer": "sha512 is not supported"}


class Wrong(Exception):
    """What is wrong with how the program took a case."""


class Canary:
    """What stands outside, and has to stay as it is."""

    def __init__(self, place):
        self.place = place
        self.make()

    def make(self):
        shutil.rmtree(self.place, ignore_errors=True)
        os.makedirs(self.place)
        os.chmod(self.place, 0o755)
        target = os.path.join(self.place, "target")
        with open(target, "w", encoding="ascii") as file:
            file.write("canary\n")
        os.chmod(target, 0o644)
        os.utime(target, (1_600_000_000, 1_600_000_000))
        self.seen = self.look()

    def look(self):
        found = []
        for name in (".", *sorted(os.listdir(self.place))):
            status = os.lstat(os.path.join(self.place, name))
            found.append((name, status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_mtime_ns,
                          status.st_ctime_ns, status.st_nlink))
        return found

    def check(self):
        if self.look() != self.seen:
            self.make()
            raise Wrong("changes what stands outside")


def write_layout(folder, layers):
    """An OCI layout of one image called "latest". `layers`: (bytes, media type, diff id)."""
    def blob(data):
        with open(os.path.join(folder, "blobs/sha256", sha256(data)[7:]), "wb") as file:
            file.write(data)
        return {"digest": sha256(data), "size": len(data)}

    os.makedirs(os.path.join(folder, "blobs/sha256"))
    config = {"architecture": "amd64", "os": "linux", "config": {},
              "rootfs": {"type": "layers", "diff_ids": [diff_id for _, _, diff_id in layers]}}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE,
                "config": {"mediaType": CONFIG_TYPE, **blob(json.dumps(config).encode())},
                "layers": [{"mediaType": media_type, **blob(data)} for data, media_type, _ in layers]}
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [
        {"mediaType": MANIFEST_TYPE, **blob(json.dumps(manifest).encode()),
         "annotations": {"org.opencontainers.image.ref.name": "latest"}}]}
    for name, document in (("oci-layout", {"imageLayoutVersion": "1.0.0"}), ("index.json", index)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(document, file)


def read(*parts):
    with open(os.path.join(*parts), "rb") as file:
        return file.read()


class Judge:
    """Runs the cases of one corpus, each with a store of its own."""

    def __init__(self, program, folder, user=None):
        self.program = os.path.abspath(program)
        self.folder = folder
        self.user = user
        self.identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        self.canary = Canary(os.path.join(folder, "canary"))
        self.corpus = os.path.join(folder, "corpus")
        self.work = os.path.join(folder, "work")

    def give(self, path):
        """Lets the program's user own all that stands below `path`."""
        if self.user:
            for place, folders, files in os.walk(path):
                for name in (".", *folders, *files):
                    os.lchown(os.path.join(place, name), self.user.pw_uid, self.user.pw_gid)

    def environment(self):
        return {"PATH": os.environ["PATH"], "HOME": self.work, "TMPDIR": self.work, "LANG": "C.UTF-8",
                "IMGBUILD_STORE": os.path.join(self.work, "store")}

    def run(self, case, *arguments, **options):
        """Runs the program within the limits of `case`. Gives the finished process and what it said."""
        limits = case["limits"]

        def limit():
            size = BASE_MEMORY + (limits["rss_mb"] << 20)
            resource.setrlimit(resource.RLIMIT_DATA, (size, size))

        done = run_limited(self.program, arguments, limits["seconds"] * PATIENCE, limit, cwd=self.work,
                           env=self.environment(), **self.identity, **options)
        if done is None:
            raise Wrong("hangs")
        said = (done.stdout + done.stderr).decode(errors="surrogateescape")
        if done.returncode not in (0, *REFUSALS):
            raise Wrong(f"ends with status {done.returncode}: {said[-300:]}")
        if control_characters(said):
            raise Wrong(f"prints {', '.join(control_characters(said))}")
        if done.returncode and not re.search(r"^imgbuild: |:\d+: error: ", said, re.MULTILINE):
            raise Wrong(f"gives no reason: {said[-300:]}")
        return done, said

    def build(self, case, *arguments, **options):
        """A build that writes the files of its image into an archive. Gives them by path, or None where it is refused."""
        out = os.path.join(self.work, "out.tar")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(out)
        done, said = self.run(case, "build", "-q", "--offline", "-o", f"type=tar,dest={out}", *arguments, **options)
        self.canary.check()
        if done.returncode:
            self.check_nothing_is_left(out)
            unsupported = UNSUPPORTED.get(case["id"])
            if case["expect"] == "accept" and (unsupported is None or unsupported not in said):
                raise Wrong(f"is refused: {said[-300:]}")
            return None
        if case["kind"] != "layer":  # a single layer leaves what a stack leaves
            self.run(case, "fsck")
        return tree_of_tar(out)

    def check_nothing_is_left(self, out):
        if os.path.exists(out):
            raise Wrong("leaves an output although it fails")
        store = os.path.join(self.work, "store")
        if os.path.exists(os.path.join(store, "index.json")) and json.loads(read(store, "index.json"))["manifests"]:
            raise Wrong("leaves an image although it fails")
        for name in ("pending", "leases"):
            if os.path.isdir(os.path.join(store, name)) and os.listdir(os.path.join(store, name)):
                raise Wrong(f"leaves something in {name}/")

    def build_on(self, case, layout):
        """FROM the layout, and what the case says to do then."""
        then = case.get("then", "")
        step = then.removeprefix("build with ") + "\nRUN true" if "USER" in then else then
        text = f"FROM base\n{step}\n".encode()
        return self.build(case, "--build-context", f"base=oci-layout://{layout}:latest", "-", input=text)

    def layout_of(self, case):
        """The layers of a case as an image."""
        path = os.path.join(self.corpus, case["path"])
        layout = os.path.join(self.work, "layout")
        if case["kind"] == "layer":
            data = read(path)
            layers = [(data, case["media_type"], case.get("diff_id", sha256(data)))]
        else:
            layers = [(read(path, name), LAYER_TYPE, diff_id) for name, diff_id in zip(case["layers"], case["diff_ids"])]
        write_layout(layout, layers)
        return layout

    def build_context(self, case):
        path = os.path.join(self.corpus, case["path"])
        name = case["id"].partition("/")[2]
        if name == "racer":
            return self.race(case, path)
        if name == "secret-not-in-cache-key-or-log":
            tree = self.build(case, "--secret", f"id=t,src={path}/token", path)
            if subprocess.run(["grep", "-rqa", SECRET, os.path.join(self.work, "store")], check=False).returncode != 1:
                raise Wrong("writes a secret into the store")
            return tree
        if name == "cache-key-mode-only":
            before = self.build(case, path)
            os.chmod(os.path.join(path, "a"), 0o755)
            after = self.build(case, path)
            if before == after:
                raise Wrong("takes a file of another mode for the one before")
            return after
        return self.build(case, path)

    def race(self, case, path):
        """Builds of a context that something else changes all the time."""
        racer = subprocess.Popen([sys.executable, os.path.join(path, "racer.py"), self.canary.place, str(RACE_SECONDS)])
        try:
            built = 0
            while racer.poll() is None:
                tree = self.build(case, path)
                built += 1
                if tree and any(node.kind == "file" and node.size == len("canary\n") for node in tree.values()):
                    raise Wrong("takes a file from outside into an image")
            return tree
        finally:
            racer.kill()
            racer.wait()

    @staticmethod
    def check_result(case, tree):
        """What the case says of the files of the image."""
        try:
            is_right = case["id"] not in RESULTS or RESULTS[case["id"]](tree)
        except KeyError:
            is_right = False
        if not is_right:
            raise Wrong(f"is not built as it says: {case['result']}: {sorted(tree)[:20]}")

    def judge(self, case):
        """Wrong when the program does not take the case as it should."""
        os.makedirs(self.work)
        self.give(self.work)
        try:
            if case["kind"] == "context":
                tree = self.build_context(case)
            else:
                layout = os.path.join(self.corpus, case["path"]) if case["kind"] == "oci-layout" else self.layout_of(case)
                tree = self.build_on(case, layout)
            # Root may read what an ordinary user may not.
            if case["expect"] == "refuse" and tree is not None and (case.get("needs") != "nonroot" or self.user):
                raise Wrong("is built")
            if tree is not None:
                self.check_result(case, tree)
        finally:
            shutil.rmtree(self.work)


def judge_all(program, folder, kinds, user=None, is_full=False):
    """Judges all cases of `kinds` in `folder`, which is empty. Gives their number, and what is wrong, a line each."""
    os.chmod(folder, 0o755)
    judge = Judge(program, folder, user)
    count = 0
    faults = []
    unknown = set(RESULTS)
    for kind in kinds:
        cases = make_cases(judge.corpus, kind, judge.canary.place, is_full)
        judge.give(judge.corpus)
        count += len(cases)
        unknown -= {case["id"] for case in cases if "result" in case}
        for case in cases:
            try:
                judge.judge(case)
            except Wrong as wrong:
                faults.append(f"{case['id']} ({case['why']}) {wrong}")
    faults += [f"{name}: there is no such case" for name in unknown if name.startswith(tuple(kinds))]
    return count, faults


def main():
    parser = argparse.ArgumentParser(description="build from hostile images and contexts")
    parser.add_argument("program")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--as", dest="user")
    options = parser.parse_args()
    user = pwd.getpwnam(options.user) if options.user else None
    with tempfile.TemporaryDirectory(prefix="imgbuild-hostile-", dir="/var/tmp") as folder:
        count, faults = judge_all(options.program, folder, [options.only] if options.only else KINDS, user, options.full)
    print("\n".join(faults + [f"{count - len(faults)} passed, {len(faults)} failed, 0 skipped"]))
    return 1 if faults or not count else 0


if __name__ == "__main__":
    sys.exit(main())
