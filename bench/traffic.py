# SPDX-License-Identifier: Apache-2.0
"""How many bytes a build moves and works on, counted and not timed: system calls as strace tells them, of the helper
processes too but not of the commands that a RUN runs; what is hashed and compressed as `imgbuild --debug` tells it."""

import collections
import dataclasses
import glob
import os
import re
import shutil
import subprocess

CALLS = "read,pread64,readv,write,pwrite64,writev,copy_file_range,sendfile,sendmsg,recvmsg,sendto,recvfrom"
READING = {"read", "pread64", "readv", "copy_file_range", "sendfile"}
WRITING = {"write", "pwrite64", "writev"}
CALL = re.compile(r"^(\w+)\((\d+)<((?:[^<>]|<[^>]*>)*)>.*\) += (\d+)$")
EXECUTED = re.compile(r'^execve\("((?:[^"\\]|\\.)*)".*\) += 0$')
WORK = re.compile(r"^hashed (\d+) bytes, compressed (\d+), decompressed (\d+)$", re.MULTILINE)


@dataclasses.dataclass
class Traffic:
    """Bytes."""

    read: int = 0  # from files, those in memory among them
    written: int = 0  # to files
    passed: int = 0  # to another thread or process of the build, through pipes and sockets
    # None of commands that do not tell.
    hashed: int = None
    compressed: int = None
    decompressed: int = None


def is_file(name):
    """True for what lies on a disk: the copy of the program that the helper runs from does not."""
    return name.startswith("/") and not name.startswith(("/proc/", "/sys/", "/dev/", "/memfd:"))


def count_calls(lines, program):
    """What one thread moved, by kind; until it becomes a command of the image."""
    moved = collections.Counter()
    for line in lines:
        executed = EXECUTED.match(line)
        if executed and executed[1] != program and not executed[1].startswith("/proc/self/fd/"):
            break
        call = CALL.match(line)
        if not call:
            continue
        name, count = call[1], int(call[4])
        if name in ("copy_file_range", "sendfile"):
            if not is_file(call[3]):
                continue
            moved["read"] += count
            moved["written"] += count
        elif is_file(call[3]):
            moved["read" if name in READING else "written"] += count
        elif name in WRITING or name in ("sendmsg", "sendto"):
            moved["passed"] += count
    return moved


def of_command(command, scratch):
    """Runs `command`, an imgbuild, to its end and counts."""
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    ran = subprocess.run(
        ["strace", "-ff", "-qq", "-y", "-s", "0", "-e", "signal=none", "-e", f"trace=execve,{CALLS}", "-o",
         os.path.join(scratch, "calls"), *command, "--debug"], check=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)
    moved = collections.Counter()
    for trace in glob.glob(os.path.join(scratch, "calls.*")):
        with open(trace, encoding="utf-8", errors="replace") as file:
            moved += count_calls(file, command[0])
    shutil.rmtree(scratch)
    work = WORK.search(ran.stderr)
    return Traffic(moved["read"], moved["written"], moved["passed"], *map(int, work.groups() if work else ()))
