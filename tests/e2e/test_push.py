# SPDX-License-Identifier: Apache-2.0
"""Images to registries: what is sent, what is not, and that others read it."""

import os
import urllib.error

from support.case import EndToEnd, need_tool
from support.oci import open_layout
from support.registry import manifest_of, start_registry

# Of "alice", whose password is "open sesame".
ACCOUNTS = "alice:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n"


class Push(EndToEnd):
    def test_a_build_is_pushed_under_all_its_names(self):
        address = start_registry(self)
        files = self.context({"Buildfile": "FROM busybox\nRUN echo built > /built\n"})
        result = self.imgbuild("build", "-q", "--push", "-t", f"{address}/team/app:1", "-t", f"{address}/team/app:2",
                               "-t", f"{address}/other/app:1", files)
        for repository, tag in (("team/app", "1"), ("team/app", "2"), ("other/app", "1")):
            self.assertEqual(manifest_of(address, repository, tag)[0], result.digest)

    def test_other_tools_read_what_was_pushed(self):
        need_tool("skopeo")
        address = start_registry(self)
        files = self.context({"Buildfile": "FROM busybox\nRUN echo built > /built\n"})
        built = open_layout(self.export("layout", files))
        self.imgbuild("build", "-q", "-o", f"type=registry,name={address}/team/app:1", files)
        copy = self.path("copy")
        self.command("skopeo", "copy", "--src-tls-verify=false", f"docker://{address}/team/app:1", f"oci:{copy}:1")
        self.assertEqual(open_layout(copy).digest, built.digest)

    def test_a_base_that_stands_in_the_registry_is_not_sent_again(self):
        address = start_registry(self)
        base = self.context({"Buildfile": "FROM busybox\nRUN echo base > /base\n"}, "b")
        self.imgbuild("build", "--push", "-t", f"{address}/team/base:1", base)
        layers = [layer["digest"] for layer in manifest_of(address, "team/base", "1")[1]["layers"]]
        files = self.context({"Buildfile": f"FROM {address}/team/base:1\nCOPY a /a\n", "a": "alpha\n"})
        for repository, how in (("team/base", f"{len(layers)} there already"), ("team/app", f"{len(layers)} mounted")):
            with self.subTest(repository=repository):
                self.store = self.path("another-store-for-" + repository.replace("/", "-"))
                told = self.imgbuild("build", "--push", "-t", f"{address}/{repository}:2", files).stderr
                pushed = manifest_of(address, repository, "2")[1]["layers"]
                self.assertEqual([layer["digest"] for layer in pushed[:-1]], layers)
                self.assertRegex(told, f"pushed {address}/{repository}:2: 2 blobs sent .*, {how}")

    def test_an_image_of_the_store_is_pushed_and_pulled_with_the_same_bytes(self):
        address = start_registry(self)
        name = f"{address}/team/app:1"
        files = self.context({"Buildfile": "FROM busybox\nRUN echo built > /built\n"})
        digest = self.imgbuild("build", "-q", "-t", name, files).digest
        self.assertEqual(self.imgbuild("push", name).digest, digest)
        self.assertEqual(self.imgbuild("push", name, f"{address}/copy/app:latest").digest, digest)
        self.store = self.path("another-store")
        self.assertEqual(self.imgbuild("pull", f"{address}/copy/app").digest, digest)
        self.assert_store_is_sound()

    def test_what_was_pushed_once_is_mounted_by_later_pushes_and_named_nowhere_here(self):
        address = start_registry(self)
        files = self.context({"Buildfile": "FROM scratch\nCOPY Buildfile /a\n"})
        told = self.imgbuild("build", "--push", "-t", f"{address}/one/app:1", "-t", f"{address}/two/app:1", files).stderr
        self.assertRegex(told, f"pushed {address}/one/app:1: 2 blobs sent .*\npushed {address}/two/app:1: 2 mounted\n")
        self.assertNotIn("named", told)
        told = self.imgbuild("build", "--push", "-t", f"{address}/three/app:1", files).stderr
        self.assertIn(f"pushed {address}/three/app:1: 2 mounted\n", told)
        told = self.imgbuild("build", "--push", "-t", f"{address}/three/app:2", files).stderr
        self.assertIn(f"pushed {address}/three/app:2: 2 there already\n", told)
        self.assertIn("named", self.imgbuild("build", "-t", "app:1", files).stderr)
        self.assert_store_is_sound()

    def test_an_index_is_pushed_with_all_its_images(self):
        address = start_registry(self)
        files = self.context({"Buildfile": "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /a\n", "amd64": "1", "arm64": "2"})
        digest = self.imgbuild("build", "-q", "--platform", "linux/amd64,linux/arm64", "--push", "-t",
                               f"{address}/team/app:1", files).digest
        pushed, index = manifest_of(address, "team/app", "1")
        self.assertEqual(pushed, digest)
        for inner in index["manifests"]:
            self.assertEqual(manifest_of(address, "team/app", inner["digest"])[0], inner["digest"])

    def test_an_image_pushed_by_its_digest_has_no_tag(self):
        address = start_registry(self)
        files = self.context({"Buildfile": "FROM scratch\nCOPY Buildfile /a\n"})
        digest = self.imgbuild("build", "-q", "-o",
                               f"type=image,name={address}/team/app,push-by-digest=true,name-canonical=true,push=true",
                               files).digest
        self.assertEqual(manifest_of(address, "team/app", digest)[0], digest)
        with self.assertRaises(urllib.error.HTTPError):
            manifest_of(address, "team/app", "latest")

    def test_a_push_needs_a_name(self):
        files = self.context({"Buildfile": "FROM scratch\nCOPY Buildfile /a\n"})
        self.refuse("--push", files, status=2, says="the image has no name that says where to")

    def test_a_registry_that_does_not_answer(self):
        files = self.context({"Buildfile": "FROM scratch\nCOPY Buildfile /a\n"})
        self.refuse("--push", "-t", "127.0.0.1:9/team/app:1", files, status=3, says="registry 127.0.0.1:9")

    def test_a_registry_with_accounts_takes_pushes_between_login_and_logout(self):
        address = start_registry(self, accounts=ACCOUNTS)
        name = f"{address}/team/app:1"
        files = self.context({"Buildfile": "FROM scratch\nCOPY Buildfile /a\n"})
        digest = self.imgbuild("build", "-q", "-t", name, files).digest
        login = ("login", "-u", "alice", "--password-stdin", address)
        self.imgbuild("push", name, status=3)
        told = self.imgbuild(*login, stdin="open barley\n", status=3).stderr
        self.assertIn("does not take this user and password", told)
        kept = os.path.join(self.home, ".docker", "config.json")
        self.assertFalse(os.path.exists(kept))
        self.assertIn(kept, self.imgbuild(*login, stdin="open sesame\n").stderr)
        self.assertEqual(os.stat(kept).st_mode & 0o777, 0o600)
        self.assertIn(kept, self.imgbuild("doctor", name).stdout)
        self.assertEqual(self.imgbuild("push", name).digest, digest)
        self.imgbuild("logout", address)
        with open(kept, encoding="utf-8") as file:
            self.assertNotIn(address, file.read())
        self.imgbuild("push", name, f"{address}/other/app:1", status=3)
