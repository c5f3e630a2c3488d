# SPDX-License-Identifier: Apache-2.0
"""Runs a program in which one system call fails, is cut short, or is where a process or all of them are killed.

A seccomp filter sends the chosen calls of the program and of all that it starts to this process, which counts them
over all processes and threads: the N-th is one place, while `strace -e inject=…:when=N` counts in each thread. It
also sees what the call was about, can do a part of a write itself, and costs some microseconds a call, not hundreds.
"""

import contextlib
import ctypes
import dataclasses
import errno
import fcntl
import os
import platform
import select
import signal
import socket
import struct
import time

# name -> (number on x86_64, number on aarch64; None where that machine has no such call)
CALLS = {
    "open": (2, None), "openat": (257, 56), "openat2": (437, 437),
    "write": (1, 64), "writev": (20, 66), "pwrite64": (18, 68), "pwritev": (296, 70),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276),
    "fsync": (74, 82), "fdatasync": (75, 83), "syncfs": (306, 267),
    "link": (86, None), "linkat": (265, 37), "symlinkat": (266, 36),
    "mkdir": (83, None), "mkdirat": (258, 34), "mknodat": (259, 33),
    "unlink": (87, None), "unlinkat": (263, 35), "rmdir": (84, None),
    "ftruncate": (77, 46), "fallocate": (285, 47), "flock": (73, 32),
    "read": (0, 63), "pread64": (17, 67), "getdents64": (217, 61),
    "sendfile": (40, 71), "copy_file_range": (326, 285),
}
WRITES_ONE_BUFFER = ("write", "pwrite64")
# Which argument is the path that a message should show.
PATH_ARGUMENT = {name: 1 for name in ("openat", "openat2", "renameat", "renameat2", "linkat", "mkdirat", "mknodat",
                                      "unlinkat")} | {name: 0 for name in ("open", "rename", "link", "mkdir", "unlink")}
SHORT = "short write"   # half of it is written, and that is what the call returns
KILL = "kill"           # SIGKILL to the process that calls
CRASH = "crash"         # SIGKILL to everything at once

MACHINES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}
SECCOMP_SET_MODE_FILTER, NEW_LISTENER = 1, 1 << 3
NOTIFY, ALLOW = 0x7FC00000, 0x7FFF0000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
RECEIVE, SEND, CONTINUE = 0xC0502100, 0xC0182101, 1
PIDFD_OPEN, PIDFD_GETFD = 434, 438
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclasses.dataclass
class Outcome:
    """How the program ended, and what was done to it."""

    status: int       # as subprocess has it: -9 for a program that was killed
    stdout: str
    stderr: str
    count: int        # chosen calls that were seen
    hit: str = ""     # the call that was met, for people; empty when the program made fewer
    is_late: bool = False
    left: str = ""    # what still ran then


def can_inject():
    """Whether this machine and user can do it; a filter without no_new_privs is root's."""
    return os.geteuid() == 0 and platform.machine() in MACHINES


def filter_program(names):
    column, architecture, _ = MACHINES[platform.machine()]
    numbers = [CALLS[name][column] for name in names if CALLS[name][column] is not None]
    steps = [(LOAD, 0, 0, 4), (JUMP_IF_EQUAL, 0, len(numbers) + 1, architecture), (LOAD, 0, 0, 0)]
    steps += [(JUMP_IF_EQUAL, len(numbers) - i, 0, number) for i, number in enumerate(numbers)]
    steps += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, NOTIFY)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def install_filter(program):
    """Puts the filter on this process; gives the descriptor to listen on."""
    code = ctypes.create_string_buffer(program)
    header = struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    listener = LIBC.syscall(MACHINES[platform.machine()][2], SECCOMP_SET_MODE_FILTER, NEW_LISTENER, header)
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return listener


def process_of(thread):
    with open(f"/proc/{thread}/status", encoding="ascii", errors="replace") as file:
        return int(next(line for line in file if line.startswith("Tgid:")).split()[1])


def memory_of(thread, address, size):
    with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(size)


def text_at(thread, address):
    """The path at an address; it may end where a page ends."""
    try:
        return memory_of(thread, address, 4096 - address % 4096).split(b"\0")[0].decode(errors="backslashreplace")
    except (OSError, ValueError):
        return "?"


@dataclasses.dataclass
class Call:
    """One that waits for its answer."""

    identity: int
    thread: int
    name: str
    arguments: tuple

    def describe(self):
        try:
            with open(f"/proc/{self.thread}/comm", encoding="utf-8", errors="replace") as file:
                who = file.read().strip()
            if self.name in PATH_ARGUMENT:
                what = text_at(self.thread, self.arguments[PATH_ARGUMENT[self.name]])
            else:
                what = os.readlink(f"/proc/{self.thread}/fd/{self.arguments[0] & 0xFFFFFFFF}")
        except OSError:
            who = what = "?"
        return f"{self.name} of {who}: {what}"

    def write_half(self):
        """Does half of a write for the caller; None when half is nothing, or the caller is gone."""
        half = self.arguments[2] // 2
        if half == 0:
            return None
        try:
            data = memory_of(self.thread, self.arguments[1], half)
            process = LIBC.syscall(PIDFD_OPEN, process_of(self.thread), 0)
            file = LIBC.syscall(PIDFD_GETFD, process, self.arguments[0] & 0xFFFFFFFF, 0)
            os.close(process)
            try:
                return os.pwrite(file, data, self.arguments[3]) if self.name == "pwrite64" else os.write(file, data)
            finally:
                os.close(file)
        except OSError:
            return None


class Supervisor:
    """Answers the calls of one program."""

    def __init__(self, listener, when, action):
        self.listener = listener
        self.when = when
        self.action = action
        self.count = 0
        self.hit = ""
        column = MACHINES[platform.machine()][0]
        self.names = {numbers[column]: name for name, numbers in CALLS.items() if numbers[column] is not None}

    def next_call(self):
        """The call that waits; None when its process has just gone."""
        request = bytearray(80)
        try:
            fcntl.ioctl(self.listener, RECEIVE, request)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                return None
            raise
        identity, thread, _, number = struct.unpack_from("=QIIi", request)
        return Call(identity, thread, self.names[number], struct.unpack_from("=6Q", request, 32))

    def reply(self, call, value=0, error=0, flags=0):
        try:
            fcntl.ioctl(self.listener, SEND, struct.pack("=QqiI", call.identity, value, -error, flags))
        except OSError as failure:
            if failure.errno != errno.ENOENT:
                raise

    def answer(self, call, crash):
        self.count += 1
        if self.count != self.when:
            return self.reply(call, flags=CONTINUE)
        self.hit = call.describe()
        if self.action == CRASH:
            return crash()
        if self.action == KILL:
            return os.kill(process_of(call.thread), signal.SIGKILL)
        if self.action != SHORT:
            return self.reply(call, error=self.action)
        written = call.write_half() if call.name in WRITES_ONE_BUFFER else None
        return self.reply(call, flags=CONTINUE) if written is None else self.reply(call, value=written)


def running(marks):
    """Processes, and the calls they wait in, whose open files or command line name one of `marks`."""
    found = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{number}/cmdline", "rb") as file:
                told = file.read().decode(errors="replace")
            with open(f"/proc/{number}/wchan", encoding="ascii") as file:
                waits = file.read()
            names = [os.readlink(f"/proc/{number}/fd/{fd}") for fd in os.listdir(f"/proc/{number}/fd")]
        except OSError:
            continue
        if int(number) != os.getpid() and any(mark in text for mark in marks for text in (told, *names)):
            found.append(f"{number} ({told.replace(chr(0), ' ')[:80]}, in {waits})")
    return ", ".join(found)


def start(arguments, environment, folder, names, outputs):
    """Forks a program with the filter on it, in a session of its own; gives its process and the listener."""
    ours, theirs = socket.socketpair()
    program = filter_program(names)
    process = os.fork()
    if process == 0:
        try:
            os.setsid()
            os.chdir(folder)
            nothing = os.open(os.devnull, os.O_RDONLY)
            for target, source in enumerate((nothing, *outputs)):
                os.dup2(source, target)
            socket.send_fds(theirs, [b"x"], [install_filter(program)])
            os.execve(arguments[0], arguments, environment)
        finally:
            os._exit(127)
    theirs.close()
    with ours:
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    if not descriptors:
        os.waitpid(process, 0)
        raise OSError("the filter could not be put on")
    return process, descriptors[0]


def run(arguments, environment, folder, names, when, action, limit=60):
    """Runs a program with `action` (an errno, SHORT, KILL or CRASH) at the `when`-th of the calls `names`, counted from
    1 (0: never); ends it after `limit` seconds."""
    with open(os.memfd_create("stdout"), "w+b") as stdout, open(os.memfd_create("stderr"), "w+b") as stderr:
        process, listener = start(arguments, environment, folder, names, (stdout.fileno(), stderr.fileno()))
        supervisor = Supervisor(listener, when, action)
        deadline = time.monotonic() + limit
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        ended = os.pidfd_open(process)
        poll.register(ended, select.POLLIN)
        status = None
        is_late = False
        left = ""

        def crash():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)

        # Until nobody is left under the filter: processes of a sandbox end shortly after the program.
        while True:
            events = dict(poll.poll(200))
            if ended in events:
                status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
                poll.unregister(ended)
            if events.get(listener, 0) & select.POLLIN:
                call = supervisor.next_call()
                if call:
                    supervisor.answer(call, crash)
            elif listener in events:
                break
            if time.monotonic() > deadline and is_late:
                break
            if time.monotonic() > deadline:
                is_late = True
                left = running([environment["IMGBUILD_STORE"]])
                deadline += 10
                crash()
        os.close(ended)
        os.close(listener)
        if status is None:
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        texts = []
        for stream in (stdout, stderr):
            stream.seek(0)
            texts.append(stream.read().decode(errors="backslashreplace"))
        return Outcome(status, *texts, supervisor.count, supervisor.hit, is_late, left)
