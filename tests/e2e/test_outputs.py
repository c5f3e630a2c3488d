# SPDX-License-Identifier: Apache-2.0
"""The main path: a Buildfile, a context, and each kind of output."""

import json
import os
import tarfile

from support.case import EndToEnd, File, Link
from support.oci import LAYER_TYPE, open_layout
from support.tree import differences, tree_of_folder, tree_of_image, tree_of_tar

BUILDFILE = """
FROM busybox AS build
WORKDIR /work
COPY source/ source/
RUN sort source/words > sorted && mkdir empty && ln -s sorted link && ln sorted again && chmod 4755 sorted

FROM busybox
ENV COLOUR=green
LABEL purpose="a test"
WORKDIR /app
COPY --from=build /work/ ./
COPY --chown=33:33 --chmod=640 source/secret secret
RUN rm /etc/profile && echo "$COLOUR" > colour
EXPOSE 80
VOLUME /data
USER www-data
STOPSIGNAL SIGINT
ENTRYPOINT ["/bin/cat"]
CMD ["/app/colour"]
"""
CONTEXT = {
    "Buildfile": BUILDFILE,
    "source/words": "pear\napple\n",
    "source/secret": "hush\n",
    "source/run": File(b"#!/bin/sh\n", 0o755),
    "source/link": Link("words"),
}


class Outputs(EndToEnd):
    def setUp(self):
        super().setUp()
        self.files = self.context(CONTEXT)

    def check_image(self, image):
        tree = tree_of_image(image)
        colour = tree["app/colour"]
        self.assertEqual((colour.kind, colour.size, colour.mode, colour.uid), ("file", 6, 0o644, 0))
        self.assertEqual(tree["app/link"].target, "sorted")
        self.assertEqual(tree["app/empty"].kind, "directory")
        self.assertEqual(tree["app/sorted"].mode, 0o4755)
        self.assertEqual(tree["app/again"], tree["app/sorted"])
        self.assertEqual((tree["app/secret"].mode, tree["app/secret"].uid, tree["app/secret"].gid), (0o640, 33, 33))
        self.assertEqual(tree["app/source/run"].mode, 0o755)
        self.assertEqual(tree["app/source/link"].target, "words")
        self.assertNotIn("etc/profile", tree)
        self.assertIn("bin/busybox", tree)
        config = image.config["config"]
        self.assertEqual(image.config["os"], "linux")
        self.assertIn("COLOUR=green", config["Env"])
        self.assertEqual(config["Labels"], {"purpose": "a test"})
        self.assertEqual(config["WorkingDir"], "/app")
        self.assertEqual(config["User"], "www-data")
        self.assertEqual(config["ExposedPorts"], {"80/tcp": {}})
        self.assertEqual(config["Volumes"], {"/data": {}})
        self.assertEqual(config["StopSignal"], "SIGINT")
        self.assertEqual((config["Entrypoint"], config["Cmd"]), (["/bin/cat"], ["/app/colour"]))
        history = image.config["history"]
        layered = [entry for entry in history if not entry.get("empty_layer")]
        self.assertEqual(len(layered), len(image.manifest["layers"]))
        return tree

    def test_an_oci_layout_in_a_directory(self):
        image = open_layout(self.export("layout", self.files))
        self.check_image(image)
        for layer in image.manifest["layers"]:
            self.assertEqual(layer["mediaType"], LAYER_TYPE + "+gzip")

    def test_an_oci_layout_in_an_archive_holds_the_same_image(self):
        self.build("-o", f"type=oci,dest={self.path('image.tar')}", self.files)
        image = open_layout(self.path("image.tar"))
        self.check_image(image)
        self.assertEqual(image.digest, open_layout(self.export("layout", self.files)).digest)

    def test_a_docker_archive_is_a_layout_that_also_carries_manifest_json(self):
        path = self.path("image.tar")
        self.build("-t", "app:1", "-o", f"type=docker,dest={path}", self.files)
        image = open_layout(path)
        self.check_image(image)
        with tarfile.open(path) as archive:
            manifest = json.load(archive.extractfile("manifest.json"))
        self.assertEqual(len(manifest), 1)
        self.assertEqual(manifest[0]["RepoTags"], ["app:1"])
        digits = image.manifest["config"]["digest"].partition(":")[2]
        self.assertEqual(manifest[0]["Config"], f"blobs/sha256/{digits}")
        self.assertEqual(len(manifest[0]["Layers"]), len(image.manifest["layers"]))

    def test_a_local_output_is_the_file_tree(self):
        self.build("-o", f"type=local,dest={self.path('out')}", self.files)
        expected = tree_of_image(open_layout(self.export("layout", self.files)))
        found = tree_of_folder(self.path("out"))
        self.assertEqual(set(found), set(expected))
        self.assertEqual(found["app/colour"].content, expected["app/colour"].content)
        if os.geteuid() == 0:
            self.assertEqual(differences(found, expected), [])

    def test_a_directory_as_output_is_short_for_local(self):
        self.build("-o", self.path("out"), self.files)
        with open(self.path("out", "app", "colour"), encoding="ascii") as file:
            self.assertEqual(file.read(), "green\n")

    def test_a_tar_output_is_the_file_tree(self):
        self.build("-o", f"type=tar,dest={self.path('out.tar')}", self.files)
        expected = tree_of_image(open_layout(self.export("layout", self.files)))
        self.assertEqual(differences(tree_of_tar(self.path("out.tar")), expected), [])

    def test_without_an_output_the_image_is_in_the_store_which_is_a_layout(self):
        self.build("-t", "app:1", self.files)
        listing = self.imgbuild("images").stdout
        self.assertIn("app", listing)
        saved = self.path("saved.tar")
        self.imgbuild("save", "-o", saved, "app:1")
        image = open_layout(saved)
        self.check_image(image)
        with open(os.path.join(self.store, "oci-layout"), encoding="ascii") as file:
            self.assertEqual(json.load(file), {"imageLayoutVersion": "1.0.0"})
        with open(os.path.join(self.store, "index.json"), encoding="utf-8") as file:
            self.assertIn(image.digest, [entry["digest"] for entry in json.load(file)["manifests"]])
        self.assert_store_is_sound()

    def test_a_built_image_is_a_base_of_the_next_build(self):
        self.build("-t", "app:1", self.files)
        next_context = self.context({"Buildfile": "FROM app:1\nUSER root\nRUN cat /app/colour > /again\n"}, "next")
        tree = tree_of_image(open_layout(self.export("layout", next_context)))
        self.assertEqual(tree["again"].content, tree["app/colour"].content)

    def test_a_directory_is_cleared_of_what_the_result_does_not_have(self):
        files = self.context({"Buildfile": "FROM scratch\nCOPY d /d\nCOPY f /f\n", "d/one": "1\n", "f": "f\n"}, "small")
        out = self.context({"d/old": "old\n", "f/in/the/way": "x\n", "stray": "x\n"}, "out")
        self.build("-o", f"type=local,dest={out},mode=delete", files)
        self.assertEqual(sorted(tree_of_folder(out)), ["d", "d/one", "f"])
        for place in (self.folder, "/", self.home):
            self.refuse("-o", f"type=local,dest={place},mode=delete", files, status=2, says="is not emptied for a result")

    def test_annotations_of_an_output(self):
        files = self.context({"Buildfile": "FROM scratch\nCOPY f /f\n", "f": "f\n"}, "small")
        place = self.path("layout")
        self.build("-o", f"type=oci,tar=false,dest={place},annotation.org.Example=a,annotation[linux/amd64].b=c,"
                   "annotation-manifest-descriptor.d=e", "--platform", "linux/amd64", files)
        image = open_layout(place)
        self.assertEqual(image.manifest["annotations"], {"b": "c", "io.imgbuild.format-version": "1", "org.Example": "a"})
        self.assertEqual(image.descriptor["annotations"]["d"], "e")
        self.refuse("-o", f"type=oci,dest={self.path('x')},annotation-index.a=b", files, status=2,
                    says="a build for one platform makes no index")

    def test_what_an_imported_image_says(self):
        path = self.path("root.tar")
        self.build("-o", f"type=tar,dest={path}", self.files)
        self.imgbuild("import", "-m", "a note", "--platform", "linux/arm64", "-c", "ENV A=b C=d", "-c", 'CMD ["/bin/sh"]',
                      "--change", "WORKDIR /app", path, "imported:1")
        seen = json.loads(self.imgbuild("inspect", "imported:1").stdout)["config"]
        self.assertEqual((seen["architecture"], seen["history"][0]["comment"]), ("arm64", "a note"))
        self.assertEqual([entry.get("empty_layer", False) for entry in seen["history"]], [False, True, True, True])
        self.assertEqual((seen["config"]["Cmd"], seen["config"]["WorkingDir"]), (["/bin/sh"], "/app"))
        self.assertEqual(seen["config"]["Env"], ["A=b", "C=d"])
        self.imgbuild("import", "-c", "USER app", path, "imported:1")
        self.assertEqual(json.loads(self.imgbuild("inspect", "imported:1").stdout)["config"]["config"], {"User": "app"})
        told = self.imgbuild("import", "-c", "RUN true", path, "imported:2", status=2).stderr
        self.assertIn("--change: RUN true: does not say something of an image", told)
        self.assertIn("--change:2", self.imgbuild("import", "-c", "CMDS x", path, "imported:2", status=2).stderr)

    def test_zstd_and_uncompressed_layers(self):
        plain = tree_of_image(open_layout(self.export("gzip", self.files)))
        for compression, suffix in (("zstd", "+zstd"), ("uncompressed", "")):
            path = self.path(compression)
            self.build("-o", f"type=oci,tar=false,dest={path},compression={compression},force-compression=true", self.files)
            image = open_layout(path)
            self.assertEqual({layer["mediaType"] for layer in image.manifest["layers"]}, {LAYER_TYPE + suffix})
            self.assertEqual(differences(tree_of_image(image), plain), [])
