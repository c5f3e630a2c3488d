# SPDX-License-Identifier: Apache-2.0
"""What a user learns of a step that failed, the limits that make one fail, and shells in the state of a step."""

import contextlib
import fcntl
import glob
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

from support.case import EndToEnd
from support.user import become_ordinary_user

PATIENCE_SECONDS = 120
FAILING = ("FROM busybox\nENV PLACE=here\nRUN mkdir /w && echo builder:x:1000:1000::/w:/bin/sh >> /etc/passwd && chown builder /w\nUSER builder\n"
           "WORKDIR /w\nRUN --mount=type=secret,id=word,mode=0444 echo half > made; echo printed; exit 7\n")


class Terminal:
    """The program on a pseudo-terminal of ours, which controls it."""

    def __init__(self, case, *arguments, rows=33, columns=99, output=None):
        self.said = ""
        self.main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(side)
        self.side = side
        self.process = subprocess.Popen(
            [case.program, *arguments], env=case.environment(TERM="xterm"), cwd=case.folder, stdin=side,
            stdout=side if output is None else output, stderr=side, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **case.identity)
        case.addCleanup(self.close)

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for descriptor in (self.main, self.side):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def read_some(self, seconds):
        if select.select([self.main], [], [], seconds)[0]:
            self.said += os.read(self.main, 65536).decode("utf-8", "replace")

    def wait_for(self, text, since=0):
        end = time.monotonic() + PATIENCE_SECONDS
        while text not in self.said[since:]:
            if time.monotonic() > end or (self.process.poll() is not None and not self.drain()):
                raise AssertionError(f"{text!r} did not come:\n{self.said}")
            self.read_some(1)

    def wait_for_prompt(self):
        """Until the shell listens: what is typed before is echoed twice."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not re.search(r"[#$] (\x1b\[6n)?$", self.said):
            if time.monotonic() > end or (self.process.poll() is not None and not self.drain()):
                raise AssertionError(f"no shell came:\n{self.said}")
            self.read_some(1)

    def drain(self):
        before = len(self.said)
        self.read_some(0.2)
        return len(self.said) > before

    def ask(self, command):
        """Types a command and gives what it printed."""
        since = len(self.said)
        mark, typed = f"done{since}", f"do''ne{since}"
        self.type(f"{command}; echo {typed}\n")
        self.wait_for(mark + "\r\n", since)
        # What is typed before the prompt stands is shown twice: by the terminal, and by the shell that edits the line.
        return self.said[since:].split(mark)[0].rsplit(typed, 1)[1].split("\n", 1)[1]

    def type(self, text):
        os.write(self.main, text.encode())

    def finish(self, status):
        end = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None:
            if time.monotonic() > end:
                raise AssertionError(f"it does not end:\n{self.said}")
            self.read_some(0.1)
        while self.drain():
            pass
        if self.process.returncode != status:
            raise AssertionError(f"exit status {self.process.returncode}, not {status}:\n{self.said}")


class Failures(EndToEnd):
    def events(self, buildfile, *arguments):
        stderr = self.imgbuild("build", "--progress=rawjson", *arguments, self.context({"Buildfile": buildfile}),
                               status=1).stderr
        return [json.loads(line) for line in stderr.splitlines() if line.startswith("{")], stderr

    def test_exit_status_signal_and_time_are_told_apart(self):
        for command, arguments, text, end in (
                ("exit 3", [], "failed: exit status 3", {"exit_code": 3, "cause": "exit"}),
                ("kill -SEGV $$", [], "failed: killed by signal 11 (SIGSEGV)",
                 {"exit_code": 139, "signal": 11, "cause": "signal"}),
                ("echo begun; sleep 1000", ["--step-timeout=1s"], "failed: timed out: killed after 1.0s",
                 {"exit_code": 137, "signal": 9, "cause": "timeout"})):
            with self.subTest(command):
                events, stderr = self.events(f"FROM busybox\nRUN {command}\n", *arguments)
                failed = [event for event in events if event["event"] == "failed"]
                self.assertEqual([event.get("end") for event in failed], [end])
                self.assertIn(text, failed[0]["error"])
                self.assertIn(text, stderr)
                self.assertTrue(os.path.isfile(failed[0]["log"]))
                self.assertIn(text, self.imgbuild("explain").stdout)

    def test_a_limit_of_memory_fails_a_step_and_is_no_part_of_its_key(self):
        files = self.context({"Buildfile": "FROM busybox\nRUN x=$(head -c 60m /dev/zero | tr '\\0' x); echo ${#x} > /size\n"})
        limited = self.build("--memory=24m", "--memory-swap=24m", files, status=None)
        if "--memory: not enforced" in limited.stderr:
            self.skipTest("no control groups may be made here")
        self.assertEqual(limited.status, 1, limited.stderr)
        self.assertIn("out of memory: ", limited.stderr)
        self.assertIn("(the limit is 24.0 MiB)", limited.stderr)
        self.build("--memory=400m", "--pids=100", "--cpus=1.5", "--cpuset-cpus=0", files)
        self.build("--require-cached", files)

    def test_a_limit_that_cannot_be_set_is_said_once(self):
        files = self.context({"Buildfile": "FROM busybox\nRUN echo a > /a\nRUN echo b > /b\n"})
        built = self.build("--cpuset-cpus=4000", files)
        self.assertEqual(built.stderr.count("--cpuset-cpus: not enforced: "), 1, built.stderr)

    def test_a_cgroup_parent_that_cannot_be_used_is_an_error(self):
        files = self.context({"Buildfile": "FROM busybox\nRUN true\n"})
        self.assertIn("--cgroup-parent: ", self.build("--cgroup-parent=/cgroup.procs/x", files, status=6).stderr)


class Shells(EndToEnd):
    """On each rung that this machine has."""

    def rungs(self):
        yield "root", self
        yield "chroot", self
        become_ordinary_user(self)
        yield "userns", self

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("needs root, for the ways to run commands that root has")
        with open(self.path("word"), "w", encoding="ascii") as file:
            file.write("sesame")
        os.chmod(self.path("word"), 0o644)

    def test_a_shell_opens_in_the_state_that_a_failed_step_left_and_nothing_of_it_stays(self):
        for rung, _ in self.rungs():
            with self.subTest(rung):
                files = self.context({"Buildfile": FAILING}, f"context-{rung}")
                store = self.path(f"store-{rung}")
                build = ["build", "--progress=plain", f"--root-mode={rung}", f"--store={store}",
                         f"--secret=id=word,src={self.path('word')}", files]
                terminal = Terminal(self, *build, "--on-failure=shell")
                terminal.wait_for("exit ends it")
                terminal.wait_for_prompt()
                self.assertEqual(terminal.ask("cat made; id -un; pwd; echo $PLACE").split(),
                                 ["half", "builder", "/w", "here"])
                self.assertEqual(terminal.ask("stty size").split(), ["33", "99"])
                self.assertIn("sesame", terminal.ask("cat /run/secrets/word"))
                if rung != "chroot":
                    self.assertIn("/dev/pts/0", terminal.ask("tty"))
                terminal.ask("echo shell > shell; (sleep 1000 &)")
                terminal.type("sleep 1000\n")
                time.sleep(0.5)
                terminal.type("\x03")  # interrupts the command, not imgbuild
                self.assertIn("still", terminal.ask("echo still"))
                terminal.type("exit\n")
                terminal.finish(status=1)
                self.assertEqual(termios.tcgetattr(terminal.side), terminal.before)
                self.assertIn("failed: exit status 7", terminal.said)
                again = self.imgbuild("debug", f"--root-mode={rung}", f"--store={store}", "6", "--", "ls", "-A", "/w")
                self.assertEqual(again.stdout, "")
                self.assertIn("this is the state before it", again.stderr)
                self.assertEqual(glob.glob(os.path.join(store, "deltas", "*", "pending", "*")), [])

    def test_a_signal_to_imgbuild_ends_the_shell_and_gives_the_terminal_back(self):
        terminal = Terminal(self, "build", "--on-failure=shell", self.context({"Buildfile": "FROM busybox\nRUN false\n"}))
        terminal.wait_for("exit ends it")
        terminal.wait_for_prompt()
        terminal.ask("true")
        os.kill(terminal.process.pid, signal.SIGTERM)
        terminal.finish(status=143)
        self.assertEqual(termios.tcgetattr(terminal.side), terminal.before)

    def test_an_image_without_a_shell_is_given_one(self):
        files = self.context({"Buildfile": "FROM busybox AS b\nFROM scratch\nCOPY --from=b /bin/busybox /app\n"
                                           "RUN [\"/app\", \"false\"]\n"})
        terminal = Terminal(self, "build", "--on-failure=shell", files)
        terminal.wait_for("exit ends it")
        terminal.wait_for_prompt()
        self.assertEqual(terminal.ask("ls /app; echo ${PATH##*:}").split(), ["/app", "/.imgbuild/bin"])
        terminal.type("exit\n")
        terminal.finish(status=1)

    def test_debug_runs_a_command_in_an_image_and_in_steps(self):
        for rung, _ in self.rungs():
            with self.subTest(rung):
                files = self.context({"Buildfile": "FROM busybox\nENV A=b\nRUN echo one > /one\nCOPY Buildfile /two\n"
                                                   "USER 12:34\nWORKDIR /w\nRUN echo $A; echo three > /tmp/three\n"},
                                     f"context-{rung}")
                common = [f"--root-mode={rung}", f"--store={self.path('store-' + rung)}"]
                self.imgbuild("build", "-t", "made:1", *common, files)
                run = lambda *words, **more: self.imgbuild("debug", *common, *words, **more)
                self.assertEqual(run("made:1", "--", "sh", "-c", "cat /one /tmp/three; id -u; id -g; pwd; echo $A").stdout,
                                 "one\nthree\n12\n34\n/w\nb\n")
                self.assertEqual(run("3", "--", "ls", "/one", "/two", status=1).stdout, "/one\n")
                self.assertEqual(run("COPY", "--", "ls", "/one", "/two").stdout, "/one\n/two\n")
                self.assertEqual(run("-u", "root", "-w", "/tmp", "7", "--", "sh", "-c", "id -u; pwd; cat three").stdout,
                                 "0\n/tmp\nthree\n")
                self.assertEqual(run("made:1", "--", "cat", stdin="carried\n").stdout, "carried\n")
                talked = run("made:1", "--", "sh", "-c", "echo out; echo err >&2; exit 9", status=9)
                self.assertEqual((talked.stdout, talked.stderr.splitlines()[-1]), ("out\n", "err"))
                run("made:1", "-u", "0", "--", "sh", "-c", "echo gone > /gone")
                run("made:1", "--", "cat", "/gone", status=1)
                self.imgbuild("fsck", f"--store={self.path('store-' + rung)}")

    def test_debug_of_a_step_has_its_caches_and_memory_and_secrets_that_are_given_again(self):
        files = self.context({"Buildfile": "FROM busybox AS other\nFROM busybox\n"
                                           "RUN --mount=type=cache,target=/c,id=mine,uid=3 --mount=type=tmpfs,target=/m,size=1m "
                                           "--mount=type=secret,id=key,required --mount=type=bind,from=other,target=/b "
                                           "echo kept > /c/f && cat /run/secrets/key\n", "key": "open-sesame\n"})
        secret = f"id=key,src={os.path.join(files, 'key')}"
        self.build("--secret", secret, files)
        look = ("3", "--", "sh", "-c", "cat /c/f; stat -c %u /c; grep -c ' /m tmpfs' /proc/mounts; ls -A /b; cat /run/secrets/key")
        with_secret = self.imgbuild("debug", "--secret", secret, *look)
        self.assertEqual(with_secret.stdout, "kept\n3\n1\nopen-sesame\n")
        self.assertIn("/b: what the step mounts there from elsewhere is left out", with_secret.stderr)
        without = self.imgbuild("debug", *look, status=1)
        self.assertEqual(without.stdout, "kept\n3\n1\n")
        self.assertIn("secret key of the step is not there: give it with --secret id=key,src=FILE", without.stderr)

    def test_debug_opens_a_shell_on_a_terminal(self):
        self.build("-t", "made:1", self.context({"Buildfile": "FROM busybox\nRUN echo one > /one\n"}))
        terminal = Terminal(self, "debug", "made:1")
        terminal.wait_for_prompt()
        self.assertIn("one", terminal.ask("cat /one"))
        terminal.type("exit 5\n")
        terminal.finish(status=5)


class Refusals(EndToEnd):
    def test_a_shell_without_a_terminal_is_refused_before_anything_begins(self):
        files = self.context({"Buildfile": "FROM busybox\nRUN false\n"})
        refused = self.build("--on-failure=shell", files, status=2)
        self.assertIn("--on-failure=shell: a shell needs a terminal", refused.stderr)
        self.assertNotIn("RUN false", refused.stderr)
        self.assertIn("imgbuild debug IMAGE -- ls", self.imgbuild("debug", "busybox", status=2).stderr)

    def test_what_is_neither_image_nor_step_and_what_is_several(self):
        self.build(self.context({"Buildfile": "FROM busybox\nRUN echo a > /a\nRUN echo b > /b\n"}))
        for words, text in (("nothing-like-it", "neither an image of the store nor a step"), ("99", "no such step"),
                            ("RUN echo", "2 steps of build")):
            self.assertIn(text, self.imgbuild("debug", words, "--", "true", status=2).stderr)
        self.assertIn("RUN echo b", self.imgbuild("debug", "RUN echo", "--", "true", status=2).stderr)
        self.assertIn("a command is missing", self.imgbuild("debug", "3", "--", status=2).stderr)


if __name__ == "__main__":
    unittest.main()
