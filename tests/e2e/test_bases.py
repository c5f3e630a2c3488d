# SPDX-License-Identifier: Apache-2.0
"""Where a base may come from: the store, a layout, an imported root filesystem, a registry, nothing."""

import os

from support.bases import busybox_tar
from support.case import EndToEnd, need_tool
from support.oci import open_layout
from support.registry import start_registry
from support.tree import differences, tree_of_image, tree_of_tar


class Bases(EndToEnd):
    def test_from_scratch(self):
        files = self.context({"Buildfile": "FROM scratch\nCOPY a /only\n", "a": "alpha\n"})
        image = open_layout(self.export("layout", files))
        self.assertEqual(set(tree_of_image(image)), {"only"})
        self.assertEqual(len(image.manifest["layers"]), 1)

    def test_the_default_base_is_what_the_script_makes(self):
        image = open_layout(self.export("layout", self.context({"Buildfile": "FROM busybox\n"})))
        self.assertEqual(differences(tree_of_image(image), tree_of_tar(busybox_tar(self))), [])

    def test_an_imported_root_filesystem(self):
        tar = busybox_tar(self)
        self.imgbuild("import", tar, "my/base:1")
        image = open_layout(self.export("layout", self.context({"Buildfile": "FROM my/base:1\nRUN echo x > /x\n"})))
        tree = tree_of_image(image)
        self.assertEqual(tree.pop("x").size, 2)
        self.assertEqual(differences(tree, tree_of_tar(tar)), [])

    def test_a_layout_as_a_named_context(self):
        base = self.export("base", self.context({"Buildfile": "FROM busybox\nRUN echo base > /base\nENV FROM=layout\n"}, "b"))
        files = self.context({"Buildfile": "FROM mine\nRUN echo $FROM > /x\n"})
        layout = self.export("layout", "--build-context", f"mine=oci-layout://{base}", files)
        image = open_layout(layout)
        self.assertEqual(tree_of_image(image)["x"].size, len("layout\n"))
        lower = open_layout(base).manifest["layers"]
        self.assertEqual(image.manifest["layers"][:len(lower)], lower)

    def test_a_directory_as_a_named_context(self):
        other = self.context({"file": "other\n"}, "other")
        files = self.context({"Buildfile": "FROM busybox\nCOPY --from=other file /x\n"})
        image = open_layout(self.export("layout", "--build-context", f"other={other}", files))
        self.assertEqual(tree_of_image(image)["x"].size, len("other\n"))


class Registry(EndToEnd):
    def push_base(self, address):
        need_tool("skopeo")
        base = self.export("base", self.context({"Buildfile": "FROM busybox\nRUN echo base > /base\n"}, "b"))
        self.command("skopeo", "copy", "--dest-tls-verify=false", f"oci:{base}", f"docker://{address}/team/base:1")
        return open_layout(base)

    def test_a_base_is_pulled_over_http_from_loopback(self):
        address = start_registry(self)
        base = self.push_base(address)
        files = self.context({"Buildfile": f"FROM {address}/team/base:1\nRUN cat /base > /copy\n"})
        image = open_layout(self.export("layout", files))
        self.assertEqual(image.manifest["layers"][:len(base.manifest["layers"])], base.manifest["layers"])
        self.assertEqual(tree_of_image(image)["copy"].size, len("base\n"))
        self.assert_store_is_sound()

    def test_a_base_named_by_digest(self):
        address = start_registry(self)
        base = self.push_base(address)
        files = self.context({"Buildfile": f"FROM {address}/team/base@{base.digest}\nRUN true\n"})
        self.export("layout", files)

    def test_a_pulled_base_is_not_asked_for_again(self):
        address = start_registry(self)
        self.push_base(address)
        files = self.context({"Buildfile": f"FROM {address}/team/base:1\nRUN true\n"})
        first = self.imgbuild("build", "-q", files).digest
        self.assertEqual(self.imgbuild("build", "-q", "--offline", files).digest, first)

    def test_an_image_that_the_registry_does_not_have(self):
        address = start_registry(self)
        files = self.context({"Buildfile": f"FROM {address}/team/none:1\n"})
        self.refuse(files, status=3, says=f"{address}/team/none:1")

    def test_a_registry_that_does_not_answer(self):
        files = self.context({"Buildfile": "FROM 127.0.0.1:9/team/none:1\n"})
        self.refuse(files, status=3, says="127.0.0.1:9")

    def test_bytes_that_are_not_what_the_digest_says(self):
        address = start_registry(self)
        base = self.push_base(address)
        digits = base.manifest["layers"][-1]["digest"].partition(":")[2]
        path = self.path("registry", "docker", "registry", "v2", "blobs", "sha256", digits[:2], digits, "data")
        with open(path, "r+b") as blob:
            blob.seek(os.path.getsize(path) // 2)
            blob.write(b"rotten")
        files = self.context({"Buildfile": f"FROM {address}/team/base:1\nRUN true\n"})
        self.store = self.path("store-without-the-base")
        # The registry is to blame, as for any other failure of it.
        self.refuse(files, status=3, says=digits[:12])
