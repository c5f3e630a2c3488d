# SPDX-License-Identifier: Apache-2.0
"""An ordinary container as Docker starts one: its default capabilities, its default system call filter, its masked
paths, and neither a mount nor a namespace to be had inside. Run by crun."""

import json
import os
import re
import shutil
import subprocess
import unittest

from support.bases import busybox_tar
from support.case import ROOT, need_root, need_tool
from support.judges import RUN_BUNDLE

CAPABILITIES = ["CAP_" + name for name in (
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
    "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE")]
MASKED = ["/proc/" + name for name in ("acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi",
                                       "timer_list", "timer_stats")] + ["/sys/firmware", "/sys/devices/virtual/powercap"]
READ_ONLY = ["/proc/" + name for name in ("bus", "fs", "irq", "sys", "sysrq-trigger")]
MOUNTS = [
    ("proc", "/proc", ["nosuid", "noexec", "nodev"]),
    ("tmpfs", "/dev", ["nosuid", "mode=755", "size=65536k"]),
    ("devpts", "/dev/pts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
    ("sysfs", "/sys", ["nosuid", "noexec", "nodev", "ro"]),
    ("mqueue", "/dev/mqueue", ["nosuid", "noexec", "nodev"]),
    ("tmpfs", "/dev/shm", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
]
PROGRAMS = ["imgbuild", "libexec/imgbuild/imgbuild-fetch", "libexec/imgbuild/imgbuild-unpack"]
PROFILE = os.path.join(ROOT, "builder", "sandbox", "seccomp", "profile.h")


def _table(text, name):
    """The entries of one array of profile.h, as written there."""
    body = re.search(rf"\b{name}\{{(.*?)\}};", text, re.DOTALL).group(1)
    return [entry for entry in re.sub(r"//[^\n]*|\s|\"", "", body).split(",") if entry]


def _equals(index, value):
    return [{"index": index, "value": value, "op": "SCMP_CMP_EQ"}]


def docker_filter():
    """Docker's default list as a runtime takes it, from the table that our own filter is made of."""
    with open(PROFILE, encoding="utf-8") as file:
        text = file.read()
    rules = [{"names": _table(text, "allowed") + _table(text, "allowed_on_x86"), "action": "SCMP_ACT_ALLOW"}]
    for name, table in (("socket", "socket_families"), ("personality", "personalities")):
        rules += [{"names": [name], "action": "SCMP_ACT_ALLOW", "args": _equals(0, int(value, 0))}
                  for value in _table(text, table)]
    namespaces = int(re.search(r"namespace_flags = (\w+);", text).group(1), 0)
    rules.append({"names": ["clone"], "action": "SCMP_ACT_ALLOW",
                  "args": [{"index": 0, "value": namespaces, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]})
    rules.append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38})
    return {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": rules}


def _config(arguments, environment, is_filtered=True):
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False, "user": {"uid": 0, "gid": 0}, "args": arguments, "cwd": "/",
            "env": [f"{name}={value}" for name, value in environment.items()],
            "capabilities": {kind: CAPABILITIES for kind in ("bounding", "effective", "permitted")},
            "noNewPrivileges": False,
        },
        "root": {"path": "rootfs", "readonly": False},
        "hostname": "container",
        "mounts": [{"type": kind, "source": kind, "destination": place, "options": options}
                   for kind, place, options in MOUNTS],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
            "maskedPaths": MASKED, "readonlyPaths": READ_ONLY, **({"seccomp": docker_filter()} if is_filtered else {}),
        },
    }


def link_or_copy(source, target):
    """The program may be large, and nobody writes to it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


class Container:
    """A root file system with imgbuild in it, in which commands are run one after the other."""

    def __init__(self, case, bundle=None, is_filtered=True):
        """`bundle` is a folder with a rootfs; without it, one of busybox with imgbuild in /opt is made. One that is not
        filtered allows user namespaces."""
        need_tool("crun")
        need_root()
        self.case = case
        self.bundle = bundle or case.make_folder("container")
        self.root = os.path.join(self.bundle, "rootfs")
        self.count = 0
        self.is_filtered = is_filtered
        if bundle is None:
            self.fill()

    def fill(self):
        os.mkdir(self.root)
        subprocess.run(["tar", "--extract", "--file", busybox_tar(self.case), "--directory", self.root], check=True)
        source = os.path.dirname(os.path.realpath(self.case.program))
        for name in PROGRAMS:
            target = os.path.join(self.root, "opt", "imgbuild", name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            link_or_copy(os.path.join(source, name), target)

    def run(self, *arguments, status=0, env=None):
        """Runs a command in the container to its end."""
        environment = {"PATH": "/opt/imgbuild:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
                       "IMGBUILD_STORE": "/store", **(env or {})}
        with open(os.path.join(self.bundle, "config.json"), "w", encoding="utf-8") as file:
            json.dump(_config(list(arguments), environment, self.is_filtered), file)
        self.count += 1
        return self.case.command("unshare", "--mount", "sh", "-c", RUN_BUNDLE, "sh", self.case.make_folder("crun"),
                                 self.bundle, f"imgbuild-{os.getpid()}-{self.count}", status=status)


def need_container(case, bundle=None, is_filtered=True):
    """A container, or the case is skipped where none can be started."""
    container = Container(case, bundle, is_filtered)
    tried = container.run("true", status=None)
    if tried.status != 0:
        raise unittest.SkipTest(f"crun starts no container here: {tried.stderr.strip()[-200:]}")
    return container
