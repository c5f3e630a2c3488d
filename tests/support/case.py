# SPDX-License-Identifier: Apache-2.0
"""The base class of end-to-end cases: a folder, a store and a HOME of its own, and ways to run the program there."""

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.abspath(os.environ.get("IMGBUILD", os.path.join(ROOT, "build", "imgbuild")))
# Nothing a case starts runs longer; a case that hangs is ended by run.py.
COMMAND_LIMIT_SECONDS = 240


@dataclasses.dataclass
class Result:
    """What a finished command left."""

    status: int
    stdout: str
    stderr: str

    @property
    def cached_steps(self):
        """How many steps the plain progress called cached."""
        return len(re.findall(r"\bCACHED\b", self.stderr))

    @property
    def digest(self):
        """The digest that -q printed."""
        return self.stdout.strip()


@dataclasses.dataclass
class File:
    """A file of a context, where its mode matters."""

    data: bytes
    mode: int = 0o644


@dataclasses.dataclass
class Link:
    """A symbolic link of a context."""

    target: str


@dataclasses.dataclass
class HardLink:
    """Another name in a context for a file that stands above it in the table."""

    path: str


@dataclasses.dataclass
class Folder:
    """A directory of a context, where its mode matters."""

    mode: int


def write_tree(folder, tree):
    """Writes {path: text, bytes, File, Link, HardLink, Folder or None (a directory)} below a folder, times fixed."""
    for path, what in tree.items():
        full = os.path.join(folder, path)
        if what is None or isinstance(what, Folder):
            os.makedirs(full, exist_ok=True)
            if what is not None:
                os.chmod(full, what.mode)
            continue
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if isinstance(what, HardLink):
            os.link(os.path.join(folder, what.path), full)
            continue
        if isinstance(what, Link):
            os.symlink(what.target, full)
            continue
        file = what if isinstance(what, File) else File(what if isinstance(what, bytes) else what.encode())
        with open(full, "wb") as out:
            out.write(file.data)
        os.chmod(full, file.mode)
        os.utime(full, (1_700_000_000, 1_700_000_000))
    return folder


class EndToEnd(unittest.TestCase):
    """One case. Everything it makes lies below self.folder and goes away with it."""

    maxDiff = None

    def setUp(self):
        if not os.access(PROGRAM, os.X_OK):
            self.fail(f"{PROGRAM}: no such program: build it, or name another in IMGBUILD")
        # /var/tmp: on a disk where /tmp may be memory, and overlay's upper directories want a real file system.
        self.folder = tempfile.mkdtemp(prefix="imgbuild-e2e-", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.store = os.path.join(self.folder, "store")
        self.home = self.make_folder("home")
        self.temporary = self.make_folder("tmp")
        self.program = PROGRAM
        self.identity = {}  # user, group and extra_groups of subprocess.run; set by support.user

    def make_folder(self, *parts):
        path = os.path.join(self.folder, *parts)
        os.makedirs(path, exist_ok=True)
        return path

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def context(self, tree, name="context"):
        """Writes a context below the case's folder and gives its path."""
        return write_tree(self.make_folder(name), tree)

    def environment(self, **more):
        """The whole environment of a command: nothing of the developer's own gets in."""
        kept = {name: os.environ[name] for name in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
        return {**kept, "HOME": self.home, "TMPDIR": self.temporary, "LANG": "C.UTF-8",
                "IMGBUILD_STORE": self.store, **more}

    def start(self, *arguments, env=None, cwd=None, stdin=subprocess.DEVNULL):
        """Starts the program in a process group of its own; killed with the case when still running."""
        process = subprocess.Popen([self.program, *arguments], env=self.environment(**(env or {})),
                                   cwd=cwd or self.folder, stdin=stdin, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, start_new_session=True, **self.identity)
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()

    def wait_until(self, condition):
        """Until it holds; fails the case where that takes 20 seconds."""
        for _ in range(400):
            if condition():
                return
            time.sleep(0.05)
        self.fail("it does not come to this")

    def finish(self, process, status=0, limit=COMMAND_LIMIT_SECONDS):
        """Waits for a started program and checks its exit status (any, when status is None)."""
        stdout, stderr = process.communicate(timeout=limit)
        if status is not None and process.returncode != status:
            self.fail(f"{' '.join(process.args)}\nexit status {process.returncode}, not {status}\n"
                      f"stdout:\n{stdout}\nstderr:\n{stderr}")
        return Result(process.returncode, stdout, stderr)

    def imgbuild(self, *arguments, status=0, env=None, cwd=None, stdin=None):
        """Runs the program to its end. `stdin` is text to feed it."""
        if stdin is None:
            return self.finish(self.start(*arguments, env=env, cwd=cwd), status)
        process = self.start(*arguments, env=env, cwd=cwd, stdin=subprocess.PIPE)
        stdout, stderr = process.communicate(stdin, timeout=COMMAND_LIMIT_SECONDS)
        result = Result(process.returncode, stdout, stderr)
        self.assertEqual(result.status, status, result.stderr)
        return result

    def build(self, *arguments, status=0, **options):
        """imgbuild build with plain progress."""
        return self.imgbuild("build", "--progress=plain", *arguments, status=status, **options)

    def refuse(self, *arguments, status, says, **options):
        """A build that must fail: exit status, texts on stderr, nothing on stdout, and a store that is sound."""
        result = self.build(*arguments, status=status, **options)
        for text in says if isinstance(says, (list, tuple)) else [says]:
            self.assertIn(text, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assert_store_is_sound()
        return result

    def assert_store_is_sound(self):
        self.imgbuild("fsck")

    def command(self, *arguments, status=0, env=None, cwd=None, stdin=None):
        """Runs a tool of others in the case's environment."""
        done = subprocess.run(arguments, env=self.environment(**(env or {})), cwd=cwd or self.folder, input=stdin,
                              stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=COMMAND_LIMIT_SECONDS, check=False)
        if status is not None:
            self.assertEqual(done.returncode, status, f"{' '.join(arguments)}\n{done.stdout}\n{done.stderr}")
        return Result(done.returncode, done.stdout, done.stderr)

    def export(self, name, *arguments, **options):
        """Builds into an OCI layout below the case's folder and gives its path."""
        path = self.path(name)
        self.build("-o", f"type=oci,tar=false,dest={path}", *arguments, **options)
        return path


def need_tool(name):
    """Skips the case when a program is not installed."""
    if shutil.which(name) is None:
        raise unittest.SkipTest(f"{name} is not installed")


def need_root():
    if os.geteuid() != 0:
        raise unittest.SkipTest("needs root")
