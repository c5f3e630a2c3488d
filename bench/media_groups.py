# SPDX-License-Identifier: Apache-2.0
"""Images from and to a registry on loopback (Debian's docker-registry), beside skopeo and buildah in the same run."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import workloads
from harness import median

FULL_IMAGE = 1 << 30
LAYERS = 20
FULL_LAYER = 4 << 30
LEAST_LAYER = 1 << 20
START_LIMIT_SECONDS = 20


class Registry:
    """Runs within a `with`; `address` is its host and port."""

    def __init__(self, bench):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % probe.getsockname()[1]
        self.folder = bench.path("registry")
        self.process = None

    def __enter__(self):
        os.makedirs(self.folder)
        configuration = os.path.join(self.folder, "config.yml")
        with open(configuration, "w", encoding="utf-8") as file:
            json.dump({"version": "0.1", "log": {"level": "error", "accesslog": {"disabled": True}},
                       "storage": {"filesystem": {"rootdirectory": os.path.join(self.folder, "data")}},
                       "http": {"addr": self.address}}, file)
        self.process = subprocess.Popen(["docker-registry", "serve", configuration], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"})
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://{self.address}/v2/", timeout=2):
                    return self
            except (OSError, urllib.error.URLError):
                time.sleep(0.05)
        self.__exit__()
        raise SystemExit("bench: docker-registry does not answer")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _beside(bench, name, ours, peers, limit):
    """Ours, the limit and each peer in turns; one row a peer. `peers` are {name: action}."""
    chosen = {} if bench.options.no_peer else peers
    samples, limits, *theirs = bench.in_turns(ours, limit, *chosen.values())
    if not chosen:
        bench.report(name, samples, limit=median(limits))
    for peer, found in zip(chosen, theirs):
        bench.report(f"{name}, {peer}", samples, [] if None in found else found, median(limits))


def pull(bench):
    """An image of 20 layers and 1 GiB comes from a registry and is laid down, so that a command can run in it."""
    context = workloads.many_layers(bench.path("image"), LAYERS,
                                    max(int(FULL_IMAGE * bench.options.scale) // LAYERS, LEAST_LAYER))
    layout, copy, storage = bench.path("layout"), bench.path("copy"), bench.path("skopeo")
    with Registry(bench) as registry:
        name = f"{registry.address}/bench/image:1"
        bench.fresh_store()
        bench.imgbuild(context, "-o", f"type=registry,name={name}", "-o", f"type=oci,tar=false,dest={layout}")
        shutil.rmtree(context)
        user = workloads.context(bench.path("user"), f"FROM {name}\nRUN true\n")
        source = ("--src-tls-verify=false", f"docker://{name}")

        def run_on_it():
            bench.fresh_store()
            return bench.imgbuild(user, "-o", "type=cacheonly")

        def pull_it():
            bench.fresh_store()
            return bench.must(*bench.command("pull", name))

        def skopeo_unpacks():
            shutil.rmtree(storage, ignore_errors=True)
            return bench.measure("skopeo", "copy", *source,
                                 f"containers-storage:[overlay@{storage}/root+{storage}/run]{name}")

        def buildah_unpacks():
            subprocess.run(bench.buildah_command("rmi", "--force", name), check=False, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            return bench.measure(*bench.buildah_command("pull", "-q", "--tls-verify=false", name))

        def skopeo_copies():
            shutil.rmtree(copy, ignore_errors=True)
            return bench.measure("skopeo", "copy", *source, f"oci:{copy}:1")

        size = sum(entry.stat().st_size for entry in os.scandir(os.path.join(layout, "blobs", "sha256"))) >> 20
        _beside(bench, f"pull and unpack: {LAYERS} layers, {size} MiB", run_on_it,
                {"skopeo": skopeo_unpacks, "buildah": buildah_unpacks}, lambda: bench.unpacking(layout))
        _beside(bench, f"pull: {LAYERS} layers, {size} MiB", pull_it, {"skopeo": skopeo_copies},
                lambda: bench.copying(*(entry.path for entry in os.scandir(os.path.join(layout, "blobs", "sha256")))))
    for folder in (layout, copy, storage):
        shutil.rmtree(folder, ignore_errors=True)


def push(bench):
    """An image with one layer of 4 GiB, which is not compressed any more, goes to a registry that has nothing of it."""
    size = max(int(FULL_LAYER * bench.options.scale), LEAST_LAYER)
    context = workloads.one_file(bench.path("large"), size)
    layout = bench.path("layout")
    bench.fresh_store()
    bench.imgbuild(context, "-t", "bench:1", "-o", "type=image,compression=uncompressed", "-o",
                   f"type=oci,tar=false,compression=uncompressed,dest={layout}")
    shutil.rmtree(context)
    blob = max((entry.path for entry in os.scandir(os.path.join(layout, "blobs", "sha256"))), key=os.path.getsize)
    held = "" if bench.options.no_peer else subprocess.run(
        bench.buildah_command("pull", "-q", f"oci:{layout}:1"), check=False, capture_output=True, text=True).stdout.strip()

    def to_new(command):
        """Pushes to a registry of its own: nobody can mount there what went somewhere before."""
        with Registry(bench) as registry:
            return bench.measure(*command(f"{registry.address}/bench/push:1"))

    def buildah_pushes():
        if not held:
            return None
        return to_new(lambda target: bench.buildah_command("push", "-q", "-D", "--tls-verify=false", held,
                                                           f"docker://{target}"))

    _beside(bench, f"push: one layer of {size >> 20} MiB", lambda: to_new(lambda target: bench.command("push", "bench:1", target)),
            {"skopeo": lambda: to_new(lambda target: ("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:1",
                                                      f"docker://{target}")),
             "buildah": buildah_pushes}, lambda: bench.copying(blob))
    shutil.rmtree(layout, ignore_errors=True)


ALL = {group.__name__: group for group in (pull, push)}
