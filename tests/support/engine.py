# SPDX-License-Identifier: Apache-2.0
"""Container engines on a socket of the case's own: one that speaks as much of the Docker Engine API as images need to
get in, with docker's rule that a layer it has is not opened; and real ones, podman's service and containerd."""

import hashlib
import http.server
import io
import json
import os
import shutil
import socketserver
import subprocess
import tarfile
import threading
import time
import unittest
import urllib.parse

from support.case import need_root, need_tool
from support.oci import decompress, sha256

START_LIMIT_SECONDS = 20


class Refusal(Exception):
    """What the engine says no with."""


class DockerEngine:
    """Docker without its daemon: images by ID, layers by chain. Runs until the case ends."""

    def __init__(self, case, storage="overlay2"):
        self.path = case.path("docker.sock")
        self.storage = storage
        self.images = {}  # by ID: {"names": [...], "layers": [diff IDs]}
        self.chains = set()  # of diff IDs
        self.loads = []  # names of the files of each archive
        self.requests = []  # "METHOD target"
        self.refusal = None  # what the next load ends with
        server = _Server(self.path, _Handler)
        server.engine = self
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        case.addCleanup(thread.join, 10)
        case.addCleanup(server.server_close)
        case.addCleanup(server.shutdown)

    @property
    def environment(self):
        return {"DOCKER_HOST": f"unix://{self.path}"}

    def find(self, name):
        """ID of the image that a name or an ID means, or None."""
        for identity, image in self.images.items():
            if name in (identity, identity.partition(":")[2]) or name in image["names"]:
                return identity
        return None

    def name_image(self, identity, name):
        for image in self.images.values():
            if name in image["names"]:
                image["names"].remove(name)
        self.images[identity]["names"].append(name)

    def load(self, data):
        """Takes an archive; gives the lines that docker says."""
        if self.refusal is not None:
            raise Refusal(self.refusal)
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            files = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
        self.loads.append(sorted(files))
        said = []
        for entry in json.loads(files["manifest.json"]):
            layers = json.loads(files[entry["Config"]])["rootfs"]["diff_ids"]
            for height, (layer, path) in enumerate(zip(layers, entry["Layers"]), start=1):
                chain = tuple(layers[:height])
                if chain in self.chains:
                    continue
                if path not in files:
                    raise Refusal(f"open {path}: no such file or directory")
                if sha256(decompress(files[path])) != layer:
                    raise Refusal(f"{path}: other content than {layer}")
                self.chains.add(chain)
            identity = "sha256:" + hashlib.sha256(files[entry["Config"]]).hexdigest()
            self.images.setdefault(identity, {"names": [], "layers": layers})
            for name in entry["RepoTags"] or []:
                self.name_image(identity, name)
                said.append({"stream": f"Loaded image: {name}\n"})
        return said


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self):
        request, _ = super().get_request()
        return request, ("engine", 0)  # the address of a handler has two parts


class _Handler(http.server.BaseHTTPRequestHandler):
    server_version = "Docker/26.1.0"

    def log_message(self, *arguments):
        """Says nothing: the case looks at requests."""

    def answer(self, status, document):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        engine = self.server.engine
        engine.requests.append(f"GET {self.path}")
        path = urllib.parse.unquote(self.path)
        if path == "/_ping":
            return self.answer(200, b"OK")
        if path == "/info":
            return self.answer(200, {"Driver": engine.storage, "DriverStatus": [["driver-type", engine.storage]]})
        if path == "/images/json":
            return self.answer(200, [{"Id": identity, "RepoTags": image["names"]}
                                     for identity, image in reversed(engine.images.items())])
        identity = engine.find(path.removeprefix("/images/").removesuffix("/json"))
        if identity is None:
            return self.answer(404, {"message": "No such image"})
        image = engine.images[identity]
        return self.answer(200, {"Id": identity, "RepoTags": image["names"],
                                 "RootFS": {"Type": "layers", "Layers": image["layers"]}})

    def do_POST(self):
        engine = self.server.engine
        engine.requests.append(f"POST {self.path}")
        path, _, query = self.path.partition("?")
        if path == "/images/load":
            data = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                said = engine.load(data)
            except Refusal as refusal:
                said = [{"errorDetail": {"message": str(refusal)}, "error": str(refusal)}]
            return self.answer(200, b"".join(json.dumps(line).encode() + b"\r\n" for line in said))
        asked = dict(urllib.parse.parse_qsl(query))
        identity = engine.find(urllib.parse.unquote(path.removeprefix("/images/").removesuffix("/tag")))
        if identity is None:
            return self.answer(404, {"message": "No such image"})
        name = asked["repo"].removeprefix("docker.io/").removeprefix("library/")
        engine.name_image(identity, f"{name}:{asked['tag']}")
        return self.answer(201, b"")


def _wait_for(case, process, works, log):
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if works():
            return
        time.sleep(0.05)
    with open(log, encoding="utf-8", errors="replace") as file:
        case.fail(f"{process.args[0]} does not answer:\n{file.read()}")


def _start(case, log, *arguments, env=None):
    with open(log, "wb") as file:
        process = subprocess.Popen(arguments, env=case.environment(**(env or {})), cwd=case.folder,
                                   stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    case.addCleanup(process.wait)
    case.addCleanup(process.terminate)
    return process


def podman_storage(case):
    """The environment of a podman whose images lie in the case's folder."""
    need_tool("podman")
    need_root()
    path = case.path("storage.conf")
    if not os.path.exists(path):
        with open(path, "w", encoding="ascii") as file:
            file.write(f'[storage]\ndriver = "vfs"\ngraphroot = "{case.make_folder("podman", "root")}"\n'
                       f'runroot = "{case.make_folder("podman", "run")}"\n')
    return {"CONTAINERS_STORAGE_CONF": path}


def podman_images(case):
    """{name: ID} of what that podman has."""
    done = case.command("podman", "images", "--format", "json", env=podman_storage(case))
    return {name: image["Id"] for image in json.loads(done.stdout) for name in image.get("Names") or []}


def start_podman(case):
    """podman's service over that storage; gives the path of its socket."""
    environment = podman_storage(case)
    socket = case.path("podman.sock")
    process = _start(case, case.path("podman.log"), "podman", "system", "service", "--time", "0", f"unix://{socket}",
                     env=environment)
    _wait_for(case, process, lambda: os.path.exists(socket), case.path("podman.log"))
    return socket


def start_containerd(case):
    """containerd with a root of the case's own; gives the beginning of a ctr command. Skips where there is none."""
    need_root()
    for name in ("containerd", "ctr"):
        if shutil.which(name) is None:
            raise unittest.SkipTest(f"{name} is not installed")
    folder = case.make_folder("containerd")
    configuration = case.path("containerd", "config.toml")
    with open(configuration, "w", encoding="ascii") as file:
        file.write(f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
                   'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", '
                   '"io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]\n'
                   f'[grpc]\naddress = "{folder}/sock"\n')
    ctr = ("ctr", "--address", f"{folder}/sock")
    process = _start(case, case.path("containerd.log"), "containerd", "--config", configuration)
    _wait_for(case, process, lambda: case.command(*ctr, "version", status=None).status == 0, case.path("containerd.log"))
    return ctr
