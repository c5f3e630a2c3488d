# SPDX-License-Identifier: Apache-2.0
"""Images between imgbuild and the tools of others, in both directions: by a registry and by archives. What arrives has
the digests that were sent."""

import gzip
import json
import os
import shutil

from support.case import EndToEnd, need_tool
from support.engine import podman_images, podman_storage, start_containerd
from support.oci import open_layout
from support.registry import manifest_of, start_registry

TLS = "--tls-verify=false"


class Registries(EndToEnd):
    def setUp(self):
        super().setUp()
        self.address = start_registry(self)
        self.files = self.context({"Buildfile": "FROM scratch\nCOPY a /a\nCOPY b /b\n", "a": "alpha\n", "b": "beta\n"})

    def pushed(self, repository):
        """(digest, digests of the layers) of a repository's image 1."""
        digest, manifest = manifest_of(self.address, repository, "1")
        return digest, [layer["digest"] for layer in manifest["layers"]]

    def check_pulled_by_us(self, repository):
        """A build on what another tool pushed leaves its layers as they are."""
        digest, layers = self.pushed(repository)
        self.store = self.path("store-of-" + repository.replace("/", "-"))
        self.assertEqual(self.imgbuild("pull", f"{self.address}/{repository}:1").digest, digest)
        files = self.context({"Buildfile": f"FROM {self.address}/{repository}:1\nCOPY more /more\n", "more": "more\n"},
                             "more")
        self.imgbuild("build", "--push", "-t", f"{self.address}/ours/{repository}:1", files)
        self.assertEqual(self.pushed("ours/" + repository)[1][:-1], layers)
        self.assert_store_is_sound()

    def test_skopeo_and_umoci_pull_what_we_push_and_we_pull_what_they_push(self):
        need_tool("skopeo")
        need_tool("umoci")
        name = f"{self.address}/team/app:1"
        self.imgbuild("build", "--push", "-t", name, self.files)
        digest, layers = self.pushed("team/app")
        copy = self.path("copy")
        self.command("skopeo", "copy", "--src-tls-verify=false", f"docker://{name}", f"oci:{copy}:1")
        self.assertEqual(open_layout(copy, "1").digest, digest)
        # umoci adds a layer of its own, skopeo pushes that.
        self.command("umoci", "insert", "--image", f"{copy}:1", self.path("context", "a"), "/third")
        self.command("skopeo", "copy", "--dest-tls-verify=false", f"oci:{copy}:1", f"docker://{self.address}/umoci/app:1")
        self.assertEqual(self.pushed("umoci/app")[1][:-1], layers)
        self.check_pulled_by_us("umoci/app")
        # Docker's types, as skopeo converts them.
        self.command("skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--format", "v2s2",
                     f"docker://{name}", f"docker://{self.address}/dockers/app:1")
        self.check_pulled_by_us("dockers/app")

    def test_podman_pulls_what_we_push_and_we_pull_what_it_pushes(self):
        environment = podman_storage(self)
        name = f"{self.address}/team/app:1"
        self.imgbuild("build", "--push", "-t", name, self.files)
        image = manifest_of(self.address, "team/app", "1")[1]["config"]["digest"].partition(":")[2]
        self.command("podman", "pull", "--quiet", TLS, name, env=environment)
        self.assertEqual(podman_images(self)[name], image)
        self.command("podman", "push", "--quiet", TLS, name, f"{self.address}/podmans/app:1", env=environment)
        self.check_pulled_by_us("podmans/app")

    def test_containerd_pulls_what_we_push_and_we_pull_what_it_pushes(self):
        ctr = start_containerd(self)
        name = f"{self.address}/team/app:1"
        self.imgbuild("build", "--push", "-t", name, self.files)
        digest, layers = self.pushed("team/app")
        self.command(*ctr, "content", "fetch", "--plain-http", name)
        self.assertIn(digest, self.command(*ctr, "images", "ls").stdout)
        self.command(*ctr, "images", "tag", name, f"{self.address}/ctrs/app:1")
        self.command(*ctr, "images", "push", "--plain-http", f"{self.address}/ctrs/app:1")
        self.assertEqual(self.pushed("ctrs/app"), (digest, layers))
        self.check_pulled_by_us("ctrs/app")


class Archives(EndToEnd):
    """Several images of a store in one archive, as it is and compressed, and what others make of it."""

    def setUp(self):
        super().setUp()
        self.digests = {}
        for name in ("one", "two"):
            files = self.context({"Buildfile": f"FROM scratch\nCOPY {name} /\n", name: f"{name}\n"}, name)
            self.digests[name] = self.imgbuild("build", "-q", "-t", f"{name}:1", files).digest
        self.archives = {}
        for kind in ("docker", "oci"):
            self.archives[kind] = self.path(f"{kind}.tar")
            self.imgbuild("save", "--format", kind, "-o", self.archives[kind], "one:1", "two:1")

    def config_of(self, name):
        manifest = json.loads(self.imgbuild("manifest", f"{name}:1").stdout)
        return manifest["config"]["digest"].partition(":")[2]

    @staticmethod
    def compressed(path):
        with open(path, "rb") as plain, gzip.open(path + ".gz", "wb") as out:
            shutil.copyfileobj(plain, out)
        return path + ".gz"

    def test_podman_and_skopeo_and_umoci_read_them(self):
        environment = podman_storage(self)
        need_tool("umoci")
        wanted = {f"docker.io/library/{name}:1": self.config_of(name) for name in ("one", "two")}
        self.command("podman", "load", "--quiet", "--input", self.archives["docker"], env=environment)
        found = {name.replace("localhost/", "docker.io/library/"): image for name, image in podman_images(self).items()}
        self.assertEqual(found, wanted)
        for name, digest in self.digests.items():
            copy = self.path("copy-of-" + name)
            self.command("skopeo", "copy", f"docker-archive:{self.archives['docker']}:{name}:1", f"oci:{copy}:1")
            single = self.path(name + ".tar")
            self.imgbuild("save", "--format", "oci", "-o", single, f"{name}:1")
            # Of docker's archives Debian's podman and skopeo read none that is compressed, also of their own.
            self.command("skopeo", "copy", f"oci-archive:{self.compressed(single)}", f"oci:{copy}-of-oci:1")
            self.assertEqual(open_layout(f"{copy}-of-oci", "1").digest, digest)
        self.command("tar", "-xf", self.path("one.tar"), "-C", self.make_folder("layout"))
        self.command("umoci", "stat", "--image", f"{self.path('layout')}:1")

    def test_containerd_imports_them(self):
        ctr = start_containerd(self)
        for kind in ("docker", "oci"):
            self.command(*ctr, "-n", kind, "images", "import", "--no-unpack", self.archives[kind], status=None)
            listed = self.command(*ctr, "-n", kind, "images", "ls").stdout
            for name, digest in self.digests.items():
                self.assertRegex(listed, rf"docker.io/library/{name}:1 .*{digest}", kind)

    def test_we_read_our_own_and_those_of_podman(self):
        self.store = self.path("another-store")
        for kind in ("docker", "oci"):
            for path in (self.archives[kind], self.compressed(self.archives[kind])):
                shutil.rmtree(self.store, ignore_errors=True)
                told = self.imgbuild("load", "-i", path).stdout
                self.assertEqual(told, "".join(f"{name}:1 {digest}\n" for name, digest in self.digests.items()))
        environment = podman_storage(self)
        self.command("podman", "load", "--quiet", "--input", self.archives["docker"], env=environment)
        saved = self.path("podman.tar")
        self.command("podman", "save", "--quiet", "--multi-image-archive", "-o", saved,
                     *(name for name in podman_images(self)), env=environment)
        shutil.rmtree(self.store)
        self.imgbuild("load", "-i", saved)
        self.assertEqual(self.imgbuild("images", "-q").stdout.count("sha256:"), 2)
        self.assert_store_is_sound()

    def test_an_index_goes_through_an_archive_whole(self):
        self.imgbuild("manifest", "create", "both:1")
        self.imgbuild("manifest", "add", "--arch", "amd64", "both:1", "one:1")
        digest = self.imgbuild("manifest", "add", "--arch", "arm64", "both:1", "two:1").digest
        path = self.path("both.tar")
        self.imgbuild("save", "--format", "oci", "-o", path, "both:1", "one:1")
        self.store = self.path("another-store")
        self.imgbuild("load", "-i", path)
        self.assertIn(digest, self.imgbuild("images", "--json").stdout)
        self.assertEqual(json.loads(self.imgbuild("images", "--json").stdout)[0]["platforms"],
                         ["linux/amd64", "linux/amd64"])
