# SPDX-License-Identifier: Apache-2.0
"""What a sandbox costs beyond the command in it, beside other ways to run one in namespaces of its own, in one run; and
what the weaker rungs cost beside the best."""

import io
import json
import os
import shutil
import statistics
import subprocess
import tarfile

import workloads
from harness import HERE, Row, median, print_row
from processor_time import ProcessorTime

STEPS = 30
PEER_RUNS = 20
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


class Counted:
    """Measures commands with the processor time of all that they start."""

    def __init__(self, bench):
        self.bench = bench
        self.time = ProcessorTime()

    def must(self, *command):
        before = self.time.seconds()
        sample = self.bench.must(*self.time.command(*command))
        if before is not None:
            sample.busy_seconds = self.time.seconds() - before
        return sample

    def build(self, context, *arguments):
        return self.must(*self.bench.command("build", "-q", "-o", "type=cacheonly", *arguments, context))


def busy(samples):
    return statistics.median(sample.busy_seconds for sample in samples)


def one_step(counted, *arguments, network="none"):
    """Seconds, and those of processors, of one more RUN true, everything that a build does for it included."""
    bench = counted.bench
    contexts = []
    for count in (1, 1 + STEPS):
        lines = "".join(f"RUN --network={network} : {number}\n" for number in range(count))
        contexts.append(workloads.context(bench.path(f"true-{count}"), f"FROM {workloads.BASE}\n{lines}"))
    bench.fresh_store()
    for context in contexts:
        counted.build(context, "--no-cache", *arguments)
    one, many = bench.in_turns(*[lambda context=context: counted.build(context, "--no-cache", *arguments)
                                 for context in contexts])
    return (median(many) - median(one)) / STEPS, (busy(many) - busy(one)) / STEPS


def works(bench, mode):
    """True if this machine has the rung."""
    context = workloads.context(bench.path("works"), f"FROM {workloads.BASE}\nRUN true\n")
    bench.fresh_store()
    return bench.measure(*bench.command("build", "-q", f"--root-mode={mode}", "-o", "type=cacheonly", context)) is not None


def sandbox(bench):
    if os.geteuid() != 0:
        return
    ground = Ground(bench)
    counted = Counted(bench)
    spawn, bare, unshared = ([sample for round_ in rounds for sample in round_] for rounds in bench.in_turns(
        *[lambda action=action: bench.repeat(action, PEER_RUNS)
          for action in (ground.spawn, ground.bare_sandbox, ground.unshare)]))
    spawn = median(spawn)

    def beyond(name, seconds, limit=None):
        bench.rows.append(Row(f"sandbox: {name}, beyond a spawn", seconds - spawn, limit=limit))
        print_row(bench.rows[-1])

    beyond("namespaces and mounts in C", median(bare))
    bare = median(bare) - spawn
    beyond("unshare and chroot", median(unshared), bare)
    crun = bench.repeat(ground.crun, PEER_RUNS)
    if None in crun:
        print("sandbox: crun run: skipped: it is not installed, or does not run here", flush=True)
    else:
        beyond("crun run", median(crun), bare)
    for name, options, network in (("one RUN of a build", (), "none"),
                                   ("one RUN with a way out of its network", (), "default"),
                                   ("one RUN where nothing is mounted", ("--root-mode=chroot",), "none")):
        seconds, processors = one_step(counted, *options, network=network)
        beyond(name, seconds, bare)
        bench.rows.append(Row(f"sandbox: {name}, processor time", processors))
        print_row(bench.rows[-1])
    unpacking(counted)
    counted.time.close()


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


def unpacking(counted):
    """A step that unpacks files with owners, on the rung with one id beside the best one."""
    bench = counted.bench
    if not works(bench, "single"):
        print("sandbox: unpacking with one id: skipped: --root-mode=single does not work here", flush=True)
        return
    context = owned_files(bench.path("owners"))
    bench.fresh_store()
    modes = [(f"--root-mode={mode}", "--no-cache-filter", "last") for mode in ("root", "single")]
    for mode in modes:
        counted.build(context, *mode)
    best, one_id = bench.in_turns(*[lambda mode=mode: counted.build(context, *mode) for mode in modes])
    for name, ours, limit in (("", median(one_id), median(best)), (", processor time", busy(one_id), busy(best))):
        bench.rows.append(Row(f"sandbox: unpacking {UNPACKED_FILES} files with one id{name}", ours, limit=limit))
        print_row(bench.rows[-1])
    shutil.rmtree(context)
