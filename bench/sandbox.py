# SPDX-License-Identifier: Apache-2.0
"""What a sandbox costs beyond the command in it, beside other ways to run one in namespaces of its own, in one run; and
what the weaker rungs cost beside the best."""

import io
import json
import os
import shutil
import subprocess
import tarfile

import workloads
from harness import HERE, Row, median, print_row

STEPS = 30
UNPACKED_FILES = 10_000
NAMESPACES = ("mount", "pid", "ipc", "uts", "cgroup", "network")


class Ground:
    """A root file system with busybox, and programs that run a command in it."""

    def __init__(self, bench):
        self.bench = bench
        self.root = bench.path("bundle", "rootfs")
        self.bare = bench.path("namespaces")
        os.makedirs(self.root, exist_ok=True)
        subprocess.run(["tar", "-xf", bench.tar, "-C", self.root], check=True)
        for name in ("proc", "sys", "dev"):
            os.makedirs(os.path.join(self.root, name), exist_ok=True)
        subprocess.run(["cc", "-O2", "-static", "-o", self.bare, os.path.join(HERE, "namespaces.c")], check=True)

    def spawn(self):
        return self.bench.must(os.path.join(self.root, "bin", "busybox"), "true")

    def bare_sandbox(self):
        for name in ("upper", "work"):
            shutil.rmtree(self.bench.path("bundle", name), ignore_errors=True)
            os.makedirs(self.bench.path("bundle", name))
        return self.bench.must(self.bare, self.root, self.bench.path("bundle", "upper"), self.bench.path("bundle", "work"),
                               "/bin/busybox", "true")

    def unshare(self):
        return self.bench.must("unshare", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--net", "--fork", "chroot",
                               self.root, "/bin/busybox", "true")

    def crun(self):
        """None where crun is not installed, or cannot run here."""
        if shutil.which("crun") is None:
            return None
        config = {
            "ociVersion": "1.0.2",
            "root": {"path": "rootfs"},
            "process": {"cwd": "/", "args": ["/bin/busybox", "true"], "user": {"uid": 0, "gid": 0}, "env": []},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
                       {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
                       {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]}],
            "linux": {"namespaces": [{"type": name} for name in NAMESPACES]},
        }
        with open(self.bench.path("bundle", "config.json"), "w", encoding="ascii") as file:
            json.dump(config, file)
        return self.bench.measure("crun", "--cgroup-manager=disabled", "--root", self.bench.path("crun"), "run", "--bundle",
                                  self.bench.path("bundle"), f"imgbuild-bench-{os.getpid()}")


def one_step(bench, *arguments):
    """Seconds of one more RUN true, everything that a build does for it included, the network its own."""
    seconds = {}
    for count in (1, 1 + STEPS):
        lines = "".join(f"RUN --network=none : {number}\n" for number in range(count))
        context = workloads.context(bench.path(f"true-{count}"), f"FROM {workloads.BASE}\n{lines}")
        bench.fresh_store()
        again = ("--no-cache", "-o", "type=cacheonly", *arguments)
        bench.imgbuild(context, *again)
        seconds[count] = median(bench.repeat(lambda: bench.imgbuild(context, *again)))
    return (seconds[1 + STEPS] - seconds[1]) / STEPS


def works(bench, mode):
    """True if this machine has the rung."""
    context = workloads.context(bench.path("works"), f"FROM {workloads.BASE}\nRUN true\n")
    bench.fresh_store()
    return bench.measure(*bench.command("build", "-q", f"--root-mode={mode}", "-o", "type=cacheonly", context)) is not None


def sandbox(bench):
    if os.geteuid() != 0:
        return
    ground = Ground(bench)
    spawn = median(bench.repeat(ground.spawn, 100))

    def beyond(name, seconds, limit=None):
        bench.rows.append(Row(f"sandbox: {name}, beyond a spawn", seconds - spawn, limit=limit))
        print_row(bench.rows[-1])

    bare = median(bench.repeat(ground.bare_sandbox, 50)) - spawn
    bench.rows.append(Row("sandbox: namespaces and mounts in C, beyond a spawn", bare))
    print_row(bench.rows[-1])
    beyond("unshare and chroot", median(bench.repeat(ground.unshare, 50)), bare)
    crun = bench.repeat(ground.crun, 20)
    if None in crun:
        print("sandbox: crun run: skipped: it is not installed, or does not run here", flush=True)
    else:
        beyond("crun run", median(crun), bare)
    beyond("one RUN of a build", one_step(bench), bare)
    beyond("one RUN where nothing is mounted", one_step(bench, "--root-mode=chroot"), bare)
    unpacking(bench)


def owned_files(folder):
    """A RUN that unpacks a tar whose files belong to a thousand users."""
    workloads.context(folder, f"FROM {workloads.BASE} AS data\nCOPY data.tar /data.tar\n"
                              "FROM data AS last\nRUN mkdir /out && tar -xf /data.tar -C /out\n")
    with tarfile.open(os.path.join(folder, "data.tar"), "w") as archive:
        for i in range(UNPACKED_FILES):
            member = tarfile.TarInfo(f"d{i // 100:03d}/f{i:05d}")
            member.size = 1024
            member.uid = member.gid = 1 + i % 1000
            archive.addfile(member, io.BytesIO(i.to_bytes(4, "little") * 256))
    return folder


def unpacking(bench):
    """A step that unpacks files with owners, on the rung with one id beside the best one."""
    if not works(bench, "single"):
        print("sandbox: unpacking with one id: skipped: --root-mode=single does not work here", flush=True)
        return
    context = owned_files(bench.path("owners"))
    seconds = {}
    for mode in ("root", "single"):
        again = (f"--root-mode={mode}", "--no-cache-filter", "last", "-o", "type=cacheonly")
        bench.fresh_store()
        bench.imgbuild(context, *again)
        seconds[mode] = median(bench.repeat(lambda: bench.imgbuild(context, *again)))
    bench.rows.append(Row(f"sandbox: unpacking {UNPACKED_FILES} files with one id", seconds["single"], limit=seconds["root"]))
    print_row(bench.rows[-1])
    shutil.rmtree(context)
