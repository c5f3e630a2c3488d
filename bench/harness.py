# SPDX-License-Identifier: Apache-2.0
"""What every measurement needs: samples of commands, ours and the peer's; what the machine takes for the least that has
to be done; and the report."""

import dataclasses
import os
import shutil
import statistics
import subprocess

import workloads

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)


@dataclasses.dataclass
class Sample:
    seconds: float
    peak_bytes: int  # of the largest process among the command and what it waited for


@dataclasses.dataclass
class Row:
    """One line of the report: medians in seconds, None where nothing corresponds."""

    name: str
    ours: float
    peer: float = None
    limit: float = None
    peak_bytes: int = 0
    peer_peak_bytes: int = 0

    def ratio(self, other):
        return None if not other or not self.ours else other / self.ours


def median(samples):
    return statistics.median(sample.seconds for sample in samples)


def peak(samples):
    return max(sample.peak_bytes for sample in samples)


class Bench:
    def __init__(self, options):
        self.options = options
        self.folder = options.dir
        self.program = os.path.abspath(os.environ.get("IMGBUILD", os.path.join(ROOT, "build", "imgbuild")))
        self.tar = self.path("busybox.tar")
        self.launcher = self.path("launch")
        self.rows = []
        subprocess.run([os.path.join(ROOT, "scripts", "make-busybox.sh"), self.tar], check=True)
        subprocess.run(["cc", "-O2", "-static", "-o", self.launcher, os.path.join(HERE, "launch.c")], check=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def repeat(self, action, runs=None):
        return [action() for _ in range(runs or self.options.runs)]

    def measure(self, *command):
        """Runs a command to its end, output thrown away. None when it fails."""
        ran = subprocess.run([self.launcher, *command], check=True, stdout=subprocess.PIPE, text=True)
        seconds, peak_kib, status = ran.stdout.split()
        return Sample(float(seconds), int(peak_kib) * 1024) if status == "0" else None

    def must(self, *command):
        sample = self.measure(*command)
        if sample is None:
            raise SystemExit(f"bench: fails: {' '.join(command)}")
        return sample

    # Ours.

    def fresh_store(self):
        shutil.rmtree(self.path("store"), ignore_errors=True)
        subprocess.run([self.program, "--store", self.path("store"), "import", self.tar, workloads.BASE], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def command(self, *arguments):
        return (self.program, "--store", self.path("store"), *arguments)

    def imgbuild(self, context, *arguments):
        """Into the store as bench:1, unless an output is given."""
        name = () if "-o" in arguments else ("-t", "bench:1")
        return self.must(*self.command("build", "-q", *name, *arguments, context))

    # The peer.

    def buildah_command(self, *arguments):
        return ["buildah", "--root", self.path("buildah"), "--runroot", self.path("buildah-run"), "--storage-driver",
                "overlay", *arguments]

    def prepare_peer(self):
        if self.options.no_peer:
            return
        created = subprocess.run(self.buildah_command("from", "scratch"), check=True, stdout=subprocess.PIPE, text=True)
        container = created.stdout.strip()
        for arguments in (("add", "-q", container, self.tar, "/"), ("commit", "-q", container, workloads.BASE),
                          ("rm", container)):
            subprocess.run(self.buildah_command(*arguments), check=True, stdout=subprocess.DEVNULL)

    def buildah(self, context, *arguments):
        """None when the peer cannot do it: it takes 128 layers at most, for example."""
        return self.measure(*self.buildah_command("bud", "--layers", "--isolation", "chroot", "--pull-never", "-t", "bench:1",
                                                  "-f", os.path.join(context, "Buildfile"), *arguments, context))

    def buildah_push(self):
        return self.measure(*self.buildah_command("push", "-q", "bench:1", f"oci-archive:{self.path('pushed.tar')}"))

    @staticmethod
    def together(*samples):
        """One sample of commands that ran one after the other; None where one of them failed."""
        if None in samples:
            return None
        return Sample(sum(sample.seconds for sample in samples), max(sample.peak_bytes for sample in samples))

    def peer(self, action, runs=None):
        """Samples of the peer; empty without one, or where it fails."""
        samples = [] if self.options.no_peer else self.repeat(action, runs)
        return [] if None in samples else samples

    def report(self, name, ours, theirs=(), limit=None):
        self.rows.append(Row(name, median(ours), median(theirs) if theirs else None, limit, peak(ours),
                             peak(theirs) if theirs else 0))
        print_row(self.rows[-1])

    # Limits: what the machine takes for the least that has to be done.

    def empty_program(self):
        """A static program that does nothing: the least that a process costs."""
        source, program = self.path("empty.c"), self.path("empty")
        with open(source, "w", encoding="ascii") as file:
            file.write("int main(void) { return 0; }\n")
        subprocess.run(["cc", "-O2", "-static", "-o", program, source], check=True)
        return median(self.repeat(lambda: self.must(program), 100))

    def bare_run(self):
        """One command in fresh namespaces and another root, without an image builder."""
        if os.geteuid() != 0:
            return None
        root = self.path("root")
        os.makedirs(root, exist_ok=True)
        subprocess.run(["tar", "-xf", self.tar, "-C", root], check=True)
        return median(self.repeat(lambda: self.must("unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "chroot", root,
                                                     "/bin/busybox", "true"), 20))

    def bare_unpack(self, context):
        """The command of workloads.unpacked_tar() in the root of bare_run()."""
        root = self.path("root")
        shutil.rmtree(os.path.join(root, "out"), ignore_errors=True)
        os.makedirs(os.path.join(root, "out"))
        subprocess.run(["tar", "-xf", self.tar, "-C", root], check=True)
        shutil.copy(os.path.join(context, "data.tar"), os.path.join(root, "data.tar"))
        return self.must("unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "chroot", root, "/bin/busybox", "tar", "-xf",
                         "/data.tar", "-C", "/out")

    def unpacking(self, layout):
        """Verifying and unpacking every layer of a layout with plain tools, as many at once as there are processors."""
        layers = os.path.join(layout, "blobs", "sha256")
        script = ('rm -rf "$2"; mkdir "$2"; unpack() { mkdir "$1"; gzip -dc "$2" 2>/dev/null | '
                  'tee >(openssl dgst -sha256 >"$1.sum") | tar -xf - -C "$1" 2>/dev/null; }; export -f unpack; '
                  'find "$1" -size +64k -printf "%f\\n" | xargs -P "$3" -I{} bash -c \'unpack "$0/{}" "$1/{}"\' "$2" "$1"; true')
        return median(self.repeat(lambda: self.must("bash", "-c", script, "bash", layers, self.path("unpacked"),
                                                     str(os.cpu_count()))))

    def pipe(self, folder):
        """Reading, hashing and compressing the same bytes with plain tools."""
        script = 'tar -cf - -C "$1" . | tee >(openssl dgst -sha256 >"$2.sum") | zstd -q -3 -T2 -f -o "$2"'
        return median(self.repeat(lambda: self.must("bash", "-c", script, "bash", folder, self.path("pipe.zst"))))

    def walk(self, folder):
        """One stat for each file, by one thread."""
        return median(self.repeat(lambda: self.must("find", folder, "-size", "+1000000000k")))

    def shell(self, command):
        return median(self.repeat(lambda: self.must("bash", "-c", command)))

    def hashing(self, folder):
        """Reading and hashing every file below a folder once, on all processors."""
        return self.shell(f"find {folder} -type f -print0 | xargs -0 -P {os.cpu_count()} -n 500 openssl dgst -sha256")


def shown(value, form):
    return "-" if value is None else form.format(value)


def print_row(row):
    print(f"{row.name:<48} {row.ours:>9.4f} {shown(row.peer, '{:.4f}'):>10} {shown(row.limit, '{:.4f}'):>10} "
          f"{shown(row.ratio(row.peer), '{:.1f}x'):>9} {shown(row.limit and row.ours / row.limit, '{:.1f}x'):>9} "
          f"{row.peak_bytes >> 20:>6} {row.peer_peak_bytes >> 20:>6}", flush=True)


def print_heading(bench):
    def version(command):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]

    print(version([bench.program, "--version"]))
    if not bench.options.no_peer:
        print(version(["buildah", "--version"]) + " (isolation chroot, overlay)")
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, medians of {bench.options.runs} runs, "
          f"scale {bench.options.scale}")
    print(f"\n{'':<48} {'imgbuild':>9} {'buildah':>10} {'limit':>10} {'faster':>9} {'of limit':>9} {'MiB':>6} {'peer':>6}")
