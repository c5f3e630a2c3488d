# SPDX-License-Identifier: Apache-2.0
"""What the campaigns share: a folder with contexts and archives, and the program to run on stores there."""

import io
import os
import random
import shutil
import signal
import subprocess
import tarfile
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIMIT_SECONDS = 60
# How the program ends when it says itself what is wrong: a step, what it was given, a registry, all else.
REFUSALS = (1, 2, 3, 6)

BUILDFILE = """\
FROM busybox AS first
COPY data /data
RUN --mount=type=cache,target=/cache cp -r /data /copy && ln /copy/0 /hard && echo x > /cache/x
FROM busybox
COPY --from=first /copy /copy
ADD small.tar /unpacked
RUN rm /copy/1 && mkdir /made && echo end > /made/end
"""


def small_tar(files):
    """An uncompressed archive of {name: bytes}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


class Failure(Exception):
    """Something that must not be."""


class Workshop:
    """A folder of its own; as a context manager it goes away at the end. Without `under` it is root's own memory file
    system, because thousands of syncs on a disk that others write to take days."""

    def __init__(self, program, under=None):
        self.program = os.path.abspath(program)
        self.folder = tempfile.mkdtemp(prefix="imgbuild-faults-", dir=under or "/var/tmp")
        self.is_mounted = under is None and os.geteuid() == 0
        if self.is_mounted:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g,mode=755", "imgbuild-faults", self.folder], check=True)
        self.context = self.write("context", {"Buildfile": BUILDFILE, "small.tar": small_tar({"a": b"alpha\n"}),
                                              **{f"data/{i}": random.Random(i).randbytes(3000) for i in range(8)}})
        self.root_tar = self.write("root", {"root.tar": small_tar({"etc/name": b"imported\n"})}) + "/root.tar"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.is_mounted:
            subprocess.run(["umount", "--lazy", self.folder], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, files):
        """Writes {path: text or bytes} below the folder `name` and gives its path."""
        for path, data in files.items():
            full = self.path(name, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as file:
                file.write(data if isinstance(data, bytes) else data.encode())
        return self.path(name)

    def environment(self, store):
        kept = {name: os.environ[name] for name in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
        return {**kept, "HOME": self.folder, "LANG": "C.UTF-8", "IMGBUILD_STORE": store}

    def start(self, store, *arguments):
        """Starts the program in a process group of its own."""
        return subprocess.Popen([self.program, *arguments], env=self.environment(store), cwd=self.folder,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                errors="backslashreplace", start_new_session=True)

    def run(self, store, *arguments, may_fail=False):
        """Runs the program; Failure when it hangs, or fails without `may_fail`. Gives the finished process."""
        process = self.start(store, *arguments)
        try:
            stdout, stderr = process.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise Failure(f"{' '.join(arguments)}: hangs") from error
        if process.returncode != 0 and not may_fail:
            raise Failure(f"{' '.join(arguments)}: status {process.returncode}\n{stdout}{stderr}")
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def digest(self, store, *arguments):
        """What `build -q` prints."""
        return self.run(store, "build", "-q", *arguments).stdout.strip()

    def check(self, store):
        """Failure when fsck finds a fault, or something is left that the next start should have swept."""
        self.run(store, "fsck")
        for folder in ("pending", "leases"):
            left = os.listdir(os.path.join(store, folder)) if os.path.isdir(os.path.join(store, folder)) else []
            if left:
                raise Failure(f"{folder}/ still holds {left}")
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
            if store in mounts.read():
                raise Failure("a mount is left")


def judge_message(status, stderr):
    """Failure when a program that did not do its work does not say so as it should."""
    if status not in REFUSALS:
        raise Failure(f"ends with status {status}: {stderr[-500:]}")
    if not any(line.startswith("imgbuild: ") for line in stderr.splitlines()):
        raise Failure(f"fails without a reason: {stderr[-500:]!r}")
    if "mistake in imgbuild" in stderr or "terminate called" in stderr:
        raise Failure(f"fails by a mistake of its own: {stderr[-500:]}")
