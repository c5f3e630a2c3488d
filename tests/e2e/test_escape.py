# SPDX-License-Identifier: Apache-2.0
"""Attempts of a build's commands on the machine around them, on each rung: those of tests/escape and the run attacks of
the hostile corpus. Each must be held, but where docs/security.md says that it is not, and leave the machine as it was.
With IMGBUILD_TEST_ALL=1 the corpus is built at its full size, and as root in user namespaces, too.
"""

import ctypes
import fcntl
import hashlib
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import subprocess
import termios
import unittest

from escape.attempts import ATTEMPTS, BY_USER, HELD_BY_SCOPES, OPEN_WITH_SHARED_PROCESSES, RUNGS
from escape.corpus import ALL, ALONE, CAME_THROUGH, OPEN, OPTIONS, OUTSIDE, REFUSED, attacks, bundle
from support.case import ROOT, EndToEnd, need_root, write_tree
from support.mounts import mount_small
from support.rungs import KINDS, Place

SECRET = "open-sesame-4711"
LEAST = 60
# Of the host, which no build may change.
SETTINGS = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname", "/sys/kernel/uevent_helper"]
# attack.c ends with 1 where it was held: everything else says that it did not try.
TRY = """
try() {
  timeout 10 sh -c "$2" >/dev/null 2>&1
  case $?-$2 in 0-*) echo "@$1 open";; 1-*) echo "@$1 held";; *-/attack*) echo "@$1 broken";; *) echo "@$1 held";; esac
}
"""
DOCUMENT = os.path.join(ROOT, "docs", "security.md")


def state_of(path):
    """All that can be seen of the files below a path."""
    found = []
    for folder, _, names in os.walk(path):
        for full in [folder] + [os.path.join(folder, name) for name in names]:
            status = os.lstat(full)
            data = b"" if os.path.isdir(full) else open(full, "rb").read()
            found.append((full, status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, data))
    return found


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def settings():
    found = {}
    for path in SETTINGS:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found[path] = file.read()
    return found


def mounts(folder):
    """Those in a folder and of it."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return {line.split()[4] for line in file if folder in line}


def command_names():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                found.append(file.read().strip())
        except OSError:
            continue
    return found


class Machine:
    """What lies around a build and must stay as it is."""

    def __init__(self, case, place):
        self.case, self.place = case, place
        self.folder = os.path.join(place.folder, "canary") if place.container else case.make_folder("canary")
        self.path = "/canary" if place.container else self.folder
        write_tree(self.folder, {"target": "canary of the host\n", "sub/dir/file": "x\n", "empty": None})
        self.victim = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL)
        case.addCleanup(self.victim.wait)
        case.addCleanup(self.victim.kill)
        self.listener = socket.create_server(("127.0.0.1", 0))
        case.addCleanup(self.listener.close)
        self.name = f"imgbuild-escape-{os.getpid()}"
        self.abstract = socket.socket(socket.AF_UNIX)
        case.addCleanup(self.abstract.close)
        self.abstract.bind("\0" + self.name)
        self.abstract.listen()
        self.left = f"left-{os.getpid()}"
        self.before = self.state()

    def state(self):
        return state_of(self.folder), settings(), mounts(self.case.folder), digest_of(self.place.case.program)

    def variables(self):
        """For attempts, as `export` takes them."""
        interface, hardware = self.interface()
        found = {"CANARY": self.path, "VICTIM": self.victim.pid, "PORT": self.listener.getsockname()[1],
                 "ABSTRACT": self.name, "LEFT": self.left, "INTERFACE": interface, "HARDWARE": hardware}
        return " ".join(f"{name}={value}" for name, value in found.items())

    @staticmethod
    def interface():
        """An interface of this machine and its address, where it has one."""
        for name in sorted(os.listdir("/sys/class/net")):
            address = f"/sys/class/net/{name}/address"
            if name != "lo" and os.path.exists(address):
                with open(address, encoding="utf-8") as file:
                    return name, file.read().strip()
        return "none", "none"

    def check(self):
        """Nothing of it changed, and nothing of the builds is left."""
        self.case.assertEqual(self.state(), self.before)
        self.case.assertIsNone(self.victim.poll(), "a process outside was killed")
        self.case.assertNotIn(self.left, command_names())


def make_key():
    """A key in a session keyring of this process's own, which programs that it starts have, too."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.uname().machine == "x86_64" and libc.syscall(250, 1, None) >= 0:
        libc.syscall(248, b"user", b"imgbuild-canary", SECRET.encode(), len(SECRET), -3)


def landlock_version():
    """0 where the kernel has none."""
    return max(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1), 0)


class Escape(EndToEnd):
    def place(self, name):
        kind = next(kind for kind in KINDS if kind.name == name)
        place = Place(self, kind)
        reason = place.missing()
        if reason:
            raise unittest.SkipTest(f"{name}: {reason}")
        return place

    def attack_program(self):
        compiler = shutil.which("cc") or shutil.which("gcc")
        if not compiler:
            raise unittest.SkipTest("no C compiler is installed")
        path = self.path("attack")
        self.command(compiler, "-static", "-O1", "-o", path, os.path.join(ROOT, "tests", "escape", "attack.c"))
        with open(path, "rb") as file:
            return file.read()

    def give(self, place, name, tree):
        write_tree(os.path.join(place.folder, name), tree)
        return place.path(name)

    def try_all(self, place, machine):
        """{name: "held" or "open"} of all attempts; each under root, some under another user, too."""
        def script(lines):
            tries = "".join(f"try {name} {shlex.quote(line)}\n" for name, line in lines.items())
            return f"export {machine.variables()}\n{TRY}{tries}"
        lines = {attempt.name: attempt.line for attempt in ATTEMPTS}
        steps = [(network, {attempt.name: attempt.line for attempt in ATTEMPTS if attempt.network == network})
                 for network in ("default", "none")]
        steps.append(("default", {"user:" + name: lines[name] for name in BY_USER}))
        text = "FROM busybox\nCOPY --chmod=755 attack *.sh /\n"
        tree = {"attack": self.attack_program()}
        for number, (network, tries) in enumerate(steps):
            tree[f"try-{number}.sh"] = script(tries)
            text += ("USER 12345\n" if number == 2 else "") + f"RUN --network={network} sh /try-{number}.sh\n"
        tree["Buildfile"] = text + "USER root\nRUN test -e /etc/passwd -a -d /home -a ! -e /home/passwd\n"
        context = self.give(place, "attempts", tree)
        said = place.build(context, env={"IMGBUILD_TEST_SECRET": SECRET}).stderr
        return dict(re.findall(r"^#\d+ [\d.]+ @(\S+) (\w+)$", said, re.MULTILINE))

    def check_attempts(self, name, place=None, more_open=()):
        make_key()
        place = place or self.place(name)
        machine = Machine(self, place)
        found = self.try_all(place, machine)
        shared = not place.has_own_network()
        expected = {attempt.name: "open" if place.kind.mode in attempt.open_on or attempt.name in more_open or
                    (shared and place.kind.mode in attempt.open_without_network) else "held" for attempt in ATTEMPTS}
        expected.update({"user:" + name: expected[name] for name in BY_USER})
        if landlock_version() < 6:
            for name in HELD_BY_SCOPES:
                del found[name], expected[name]
        self.assertEqual({name: verdict for name, verdict in found.items() if verdict != expected.get(name)}, {})
        self.assertEqual(found.keys(), expected.keys())
        machine.check()
        return place, machine

    def check_corpus(self, place, machine):
        texts = attacks(self.make_folder("made"), machine.path)
        elsewhere = ALONE | OUTSIDE | {name for name, (rungs, _) in OPEN.items() if place.kind.mode in rungs}
        tree = {"marker": "in the context\n", "tiocsti.c": "",
                "Buildfile": bundle([text for name, text in texts.items() if name not in elsewhere])}
        context = self.give(place, "bundle", tree)
        options = ["--allow", "network.host", "--secret", f"id=t,src={self.give(place, 'secrets', {'t': SECRET})}/t"]
        self.judge(place.build(*options, context, env={"IMGBUILD_TEST_SECRET": SECRET}))
        for name in sorted(elsewhere - OUTSIDE):
            context = self.give(place, name, {"Buildfile": texts[name], "marker": "in the context\n"})
            ended = place.build(*OPTIONS.get(name, []), context, status=None)
            self.judge(ended, name)
            self.assertIn(ended.status, range(1 if name in REFUSED or name in OPEN else 0, 128), ended.stderr)
        self.command("grep", "-rlF", SECRET, place.store(), status=1)
        machine.check()

    def judge(self, ended, name=None):
        if name not in OPEN:
            self.assertEqual(CAME_THROUGH.findall(ended.stderr), [])
        self.assertNotIn("\033", ended.stderr)
        self.assertNotIn("canary of the host", ended.stderr)

    def test_as_root(self):
        self.check_corpus(*self.check_attempts("root"))

    def test_in_a_user_namespace_of_root(self):
        place, machine = self.check_attempts("userns, as root")
        if ALL:
            self.check_corpus(place, machine)

    def test_in_a_user_namespace_where_proc_is_masked(self):
        place = self.place("userns, as root")
        place.prefix = ["unshare", "--mount", "sh", "-c", 'mount --bind /dev/null /proc/interrupts && exec "$@"', "sh",
                        *place.prefix]
        self.assertRegex(place.imgbuild("doctor").stdout, r"\nuserns +yes, as rung 1b")
        self.check_attempts("userns, as root", place, OPEN_WITH_SHARED_PROCESSES)

    def test_in_a_user_namespace(self):
        self.check_corpus(*self.check_attempts("userns"))

    def test_in_a_user_namespace_of_one_id_of_root(self):
        place, machine = self.check_attempts("single, as root")
        if ALL:
            self.check_corpus(place, machine)

    def test_in_a_user_namespace_of_one_id(self):
        self.check_corpus(*self.check_attempts("single"))

    def test_in_a_container(self):
        self.check_corpus(*self.check_attempts("chroot, in a container"))

    def test_a_terminal_of_the_caller_gets_no_input_and_no_descriptor_is_passed_on(self):
        need_root()
        place = self.place("root")
        context = self.give(place, "attempts", {"attack": self.attack_program(), "Buildfile":
            "FROM busybox\nCOPY --chmod=755 attack /\nRUN for a in terminal-keys terminal-keys-wide terminal-controlling "
            "descriptor-inherited; do ! /attack $a; done && ! grep -q . /proc/keys && ! id -G | grep -q 54321\n"})
        master, slave = pty.openpty()
        outside = os.open(self.folder, os.O_RDONLY)
        make_key()
        done = subprocess.run([place.program, "build", "--progress=plain", "--root-mode=root", context], stdin=slave,
                              capture_output=True, text=True, check=False, env=self.environment(), pass_fds=[outside],
                              extra_groups=[54321], start_new_session=True,
                              preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.assertEqual(done.returncode, 0, done.stderr)
        os.set_blocking(slave, False)
        with self.assertRaises(BlockingIOError):
            os.read(slave, 1)
        for number in (master, slave, outside):
            os.close(number)

    def test_a_build_that_is_killed_leaves_no_process_and_no_mount(self):
        for name in ("root", "userns"):
            place = self.place(name)
            text = attacks(self.make_folder("made", name), "/nowhere")["ignore-sigterm"].replace("sleep 1;", "sleep 4711 & wait;")
            context = self.give(place, "killed", {"Buildfile": text})
            for number, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
                before = mounts(self.folder)
                self.identity = place.identity
                self.store = place.store()
                self.program = place.program
                process = self.start("build", "--progress=plain", f"--root-mode={place.kind.mode}", context)
                self.wait_until(lambda: self.sleepers() > 0)
                process.send_signal(number)
                self.finish(process, status, limit=10)
                self.wait_until(lambda: self.sleepers() == 0)
                self.assertEqual(mounts(self.folder), before)

    def sleepers(self):
        """How many commands of the build run."""
        count = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    count += file.read() == b"sleep\x004711\x00"
            except OSError:
                continue
        return count

    def test_a_full_disk_is_an_error_and_the_next_build_works(self):
        place = self.place("root")
        disk = self.make_folder("disk")
        mount_small(self, disk, "48m")
        text = attacks(self.make_folder("made"), "/nowhere")["disk-fill"].replace("; rm -f /fill; true", "")
        context = self.give(place, "full", {"Buildfile": text})
        store = {"IMGBUILD_STORE": os.path.join(disk, "store")}
        self.assertIn("No space left on device", place.build(context, status=1, env=store).stderr)
        place.build(self.give(place, "next", {"Buildfile": "FROM busybox\nRUN echo fits > /x\n"}), env=store)

    def test_the_store_of_root_is_closed_to_others(self):
        place = self.place("root")
        place.build(self.give(place, "suid", {"Buildfile": "FROM busybox\nRUN cp /bin/busybox /s && chmod 4755 /s\n"}))
        self.assertEqual(os.stat(place.store()).st_mode & 0o77, 0)


class Documented(unittest.TestCase):
    def rows(self):
        """{attempt: verdicts by rung} of the attempts and of the corpus."""
        rows = {attempt.name: ["open" if rung in attempt.open_on else "held" for rung in RUNGS] for attempt in ATTEMPTS}
        for name in attack_names():
            rungs = OPEN.get(name, ((), ""))[0]
            rows["corpus: " + name] = ["differs" if rung in rungs else "held" for rung in RUNGS]
        return rows

    def test_the_table_of_the_document_is_what_is_tested(self):
        with open(DOCUMENT, encoding="utf-8") as file:
            table = re.findall(r"^\| `([^`]+)` \| (\w+) \| (\w+) \| (\w+) \| (\w+) \|", file.read(), re.MULTILINE)
        rows = self.rows()
        self.assertEqual({name: verdicts for name, *verdicts in table}, rows)
        self.assertGreaterEqual(len(rows), LEAST)

    def test_what_is_open_has_a_reason(self):
        with open(DOCUMENT, encoding="utf-8") as file:
            text = file.read()
        for attempt in ATTEMPTS:
            self.assertEqual(bool(attempt.open_on), bool(attempt.why))
            self.assertIn(attempt.why, text)
        for _, why in OPEN.values():
            self.assertIn(why, text)


def attack_names():
    listed = subprocess.run(["python3", os.path.join(ROOT, "tests", "hostile", "gen_hostile.py"), "--list", "--only", "run-attack"],
                            check=True, capture_output=True, text=True).stdout
    return re.findall(r"run-attack/([\w-]+)", listed)
