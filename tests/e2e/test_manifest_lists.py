# SPDX-License-Identifier: Apache-2.0
"""Lists: images of matrix builds, here or at registries, put together to an index and pushed; and artifacts about images."""

import json
import os

from support.case import EndToEnd, need_tool
from support.registry import manifest_of, start_registry

BUILDFILE = "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /a\n"


class Lists(EndToEnd):
    def setUp(self):
        super().setUp()
        self.address = start_registry(self)
        self.files = self.context({"Buildfile": BUILDFILE, "amd64": "1\n" * 100, "arm64": "2\n" * 100})

    def built(self, architecture, *arguments):
        """Digest of the image for one platform."""
        return self.imgbuild("build", "-q", "--platform", f"linux/{architecture}", *arguments, self.files).digest

    def manifest(self, *arguments, status=0):
        return self.imgbuild("manifest", *arguments, status=status)

    def platforms(self, repository, reference):
        return {entry["digest"]: "/".join(entry["platform"][key] for key in ("os", "architecture", "variant")
                                          if key in entry["platform"])
                for entry in manifest_of(self.address, repository, reference)[1]["manifests"]}

    def test_images_of_the_store_become_an_index_here_and_there(self):
        amd64, arm64 = self.built("amd64", "-t", "app:amd64"), self.built("arm64", "-t", "app:arm64")
        name = f"{self.address}/team/app:1"
        self.manifest("create", name, "app:amd64", "app:arm64")
        self.manifest("create", name, "app:amd64", status=2)
        self.manifest("annotate", "--arch", "arm64", "--variant", "v8.1", "--annotation", "of=image", name, arm64)
        digest = self.manifest("annotate", "--index", "--annotation", "of=index", name).digest
        self.manifest("exists", name)
        self.manifest("exists", "app:amd64", status=1)
        told = self.manifest("push", name)
        self.assertEqual(told.digest, digest)
        self.assertIn("4 blobs sent", told.stderr)
        pushed, index = manifest_of(self.address, "team/app", "1")
        self.assertEqual(pushed, digest)
        self.assertEqual(self.platforms("team/app", "1"), {amd64: "linux/amd64", arm64: "linux/arm64/v8.1"})
        self.assertEqual(index["annotations"], {"of": "index"})
        self.assertEqual(index["manifests"][1]["annotations"], {"of": "image"})
        self.assertEqual(json.loads(self.manifest("inspect", f"docker://{name}").stdout), index)
        # What it is in the store, every command finds.
        self.assertEqual(self.imgbuild("push", name).digest, digest)
        self.assertEqual(json.loads(self.manifest(name).stdout), index)
        self.manifest("remove", name, arm64)
        self.assertEqual(len(json.loads(self.manifest("inspect", name).stdout)["manifests"]), 1)
        self.manifest("rm", name)
        self.manifest("inspect", "app:2", status=3)
        self.assert_store_is_sound()

    def test_images_of_a_registry_become_an_index_without_their_layers(self):
        digests = []
        for architecture in ("amd64", "arm64"):
            self.store = self.path("builder-of-" + architecture)
            digests.append(self.built(architecture, "--provenance=mode=min", "-o",
                                      f"type=image,name={self.address}/team/app,push-by-digest=true,push=true"))
        self.store = self.path("merger")
        name = f"{self.address}/team/app:1"
        images = [f"{self.address}/team/app@{digest}" for digest in digests]
        self.manifest("create", name, images[0])
        self.manifest("add", name, images[1])
        told = self.imgbuild("push", name).stderr
        self.assertNotIn("sent", told)
        found = self.platforms("team/app", "1")
        self.assertEqual(sorted(found.values()), ["linux/amd64", "linux/arm64", "unknown/unknown", "unknown/unknown"])
        layers = [layer["digest"].partition(":")[2] for digest, platform in found.items() if platform != "unknown/unknown"
                  for layer in manifest_of(self.address, "team/app", digest)[1]["layers"]]
        blobs = os.path.join(self.store, "blobs", "sha256")
        self.assertFalse([layer for layer in layers if os.path.exists(os.path.join(blobs, layer))])
        self.assertNotIn("team/app", self.imgbuild("images").stdout)
        with self.subTest("to another repository it is mounted"):
            told = self.manifest("push", name, f"docker://{self.address}/other/app:2").stderr
            self.assertRegex(told, f"pushed {self.address}/other/app:2: [0-9]+ mounted\n")
            self.assertEqual(self.platforms("other/app", "2"), found)
        with self.subTest("to another registry it is carried, and read there by others"):
            other = start_registry(self, name="second")
            told = self.manifest("push", "--purge", name, f"{other}/app:1").stderr
            self.assertIn("sent", told)
            need_tool("skopeo")
            read = self.command("skopeo", "copy", "--all", "--src-tls-verify=false", f"docker://{other}/app:1",
                                f"dir:{self.path('copied')}")
            self.assertEqual(read.status, 0)
            self.manifest("exists", name, status=1)
        self.assert_store_is_sound()

    def test_artifacts_are_attached_to_images_and_listed_by_their_subject(self):
        name = f"{self.address}/team/app:1"
        image = self.built("amd64", "--push", "-t", name)
        sbom = self.path("sbom.json")
        with open(sbom, "w", encoding="ascii") as file:
            file.write("{}\n")
        kind = "application/vnd.example.sbom"
        digest = self.imgbuild("attach", "--artifact-type", kind, "--annotation", "by=test", name,
                               f"{sbom}:application/json").digest
        artifact = manifest_of(self.address, "team/app", digest)[1]
        self.assertEqual((artifact["artifactType"], artifact["subject"]["digest"]), (kind, image))
        self.assertEqual(artifact["layers"][0]["annotations"], {"org.opencontainers.image.title": "sbom.json"})
        self.imgbuild("attach", name, sbom)
        # This registry lists nothing itself: the tag of the specification is what everybody reads.
        listed = manifest_of(self.address, "team/app", image.replace(":", "-"))[1]["manifests"]
        self.assertEqual((len(listed), listed[0]["digest"], listed[0]["artifactType"]), (2, digest, kind))
        found = json.loads(self.imgbuild("referrers", "--json", "--artifact-type", kind, name).stdout)
        self.assertEqual([(one["digest"], one["annotations"]) for one in found], [(digest, {"by": "test"})])
        self.assertRegex(self.imgbuild("referrers", name).stdout, f"{kind} +{digest}")
        with self.subTest("statements of a build refer to their image"):
            self.built("amd64", "--provenance", "--push", "-t", f"{self.address}/team/app:2")
            self.assertRegex(self.imgbuild("referrers", f"{self.address}/team/app:2").stdout,
                             "linux/amd64 +application/vnd.docker.attestation.manifest.v1.json ")
        self.imgbuild("attach", f"{self.address}/team/none:1", sbom, status=3)
        self.imgbuild("attach", "--artifact-type", "sbom", name, sbom, status=2)
