# SPDX-License-Identifier: Apache-2.0
"""What a store holds, and what is taken out of it: every flag of `du` and `prune`."""

import contextlib
import json
import os
import random
import re
import sqlite3

from support.case import EndToEnd

LAYER_BYTES = 300_000  # and a little, because noise does not shrink


class StoreCare(EndToEnd):
    """Three images of one layer each; their steps were used 30, 20 and 10 hours ago."""

    IMAGES = ("old:1", "middle:1", "new:1")

    def setUp(self):
        super().setUp()
        self.layers = {}
        for number, name in enumerate(self.IMAGES):
            files = self.context({"Buildfile": f"FROM scratch\nCOPY data /{number}\n",
                                  "data": random.Random(number).randbytes(LAYER_BYTES)}, name=f"context-{number}")
            self.imgbuild("build", "-q", "-t", name, files)
            self.layers[name] = json.loads(self.imgbuild("manifest", name).stdout)["layers"][0]["digest"]
            with contextlib.closing(sqlite3.connect(os.path.join(self.store, "store.db"))) as database:
                database.execute("UPDATE memo SET used = used - 36000, created = created - 36000")
                database.commit()

    def there(self):
        """Whose layers stand in the store."""
        return [name for name, digest in self.layers.items()
                if os.path.exists(os.path.join(self.store, "blobs", "sha256", digest.removeprefix("sha256:")))]

    def prune(self, *arguments):
        """Blobs and files that it says went."""
        said = self.imgbuild("prune", *arguments).stdout
        counts = re.fullmatch(r"(?:would remove|removed) (\d+) blobs? and 0 directories of files: .+ in (\d+) files?\n", said)
        self.assertTrue(counts, said)
        return int(counts[1]), int(counts[2])

    def forget_images(self):
        self.imgbuild("rm", *self.IMAGES)
        self.assertEqual(self.prune()[0], 6)  # manifests and configs, which no step needs
        self.assertEqual(self.there(), list(self.IMAGES))

    def test_du_by_part_image_and_layer(self):
        self.imgbuild("tag", "old:1", "twin:1")
        parts = self.imgbuild("du").stdout
        self.assertRegex(parts, r"(?m)^images +\d")
        self.assertRegex(parts, r"(?m)^total +\d")
        self.assertNotIn("new:1", parts)

        images = self.imgbuild("du", "--images").stdout
        self.assertRegex(images, r"(?m)^old:1 +29\d\.\d KiB +0 B$")  # its twin holds the same
        self.assertRegex(images, r"(?m)^new:1 +29\d\.\d KiB +29\d\.\d KiB$")
        self.assertNotIn("total", images)

        layers = self.imgbuild("du", "--layers").stdout
        self.assertRegex(layers, rf"(?m)^{self.layers['old:1'][7:19]} +29\d\.\d KiB +old:1, twin:1$")
        self.assertEqual(len(layers.splitlines()), 4)
        both = self.imgbuild("du", "--layers", "--images").stdout
        self.assertEqual(both, images + layers)

    def test_du_as_json_holds_everything(self):
        usage = json.loads(self.imgbuild("du", "--json").stdout)
        self.assertEqual(usage["total"], sum(usage["parts"].values()))
        self.assertEqual({image["name"] for image in usage["images"]}, set(self.IMAGES))
        self.assertTrue(all(image["unique"] == image["bytes"] > LAYER_BYTES for image in usage["images"]))
        self.assertEqual({layer["digest"]: layer["images"] for layer in usage["layers"]},
                         {digest: [name] for name, digest in self.layers.items()})
        self.assertEqual((usage["unused"], usage["unusedWithCache"]), (0, 0))
        self.imgbuild("rm", "old:1")
        usage = json.loads(self.imgbuild("du", "--json").stdout)
        self.assertLess(0, usage["unused"])
        self.assertLess(usage["unused"], 10_000)
        self.assertLess(LAYER_BYTES, usage["unusedWithCache"])

    def test_prune_keeps_what_builds_may_use_again_and_all_takes_it(self):
        self.forget_images()
        self.assertEqual(self.prune("-f"), (0, 0))
        self.assertEqual(self.prune("--all", "--dry-run"), (3, 3))
        self.assertEqual(self.there(), list(self.IMAGES))
        self.assertEqual(self.prune("-a"), (3, 3))
        self.assertEqual(self.there(), [])
        self.assert_store_is_sound()

    def test_prune_never_takes_what_an_image_needs(self):
        self.imgbuild("rm", "middle:1")
        self.assertEqual(self.prune("--all", "--keep-storage=0", "--keep-inodes=0", "--until=0s"), (3, 3))
        self.assertEqual(self.there(), ["old:1", "new:1"])
        for name in ("old:1", "new:1"):
            self.imgbuild("save", "-o", self.path("out.tar"), name)

    def test_prune_until_takes_what_was_not_used_for_so_long(self):
        self.forget_images()
        self.assertEqual(self.prune("--until=40h"), (0, 0))
        self.assertEqual(self.prune("--until=25h"), (1, 1))
        self.assertEqual(self.there(), ["middle:1", "new:1"])
        self.assertEqual(self.prune("--filter", "until=15h"), (1, 1))
        self.assertEqual(self.there(), ["new:1"])

    def test_prune_to_a_size_takes_the_least_recently_used(self):
        self.forget_images()
        records = os.path.getsize(os.path.join(self.store, "store.db"))
        self.assertEqual(self.prune(f"--keep-storage={records + 4 * LAYER_BYTES}"), (0, 0))
        self.assertEqual(self.prune(f"--keep-storage={records + LAYER_BYTES * 5 // 2}"), (1, 1))
        self.assertEqual(self.there(), ["middle:1", "new:1"])
        self.assertEqual(self.prune(f"--max-used-space={records + LAYER_BYTES * 3 // 2}"), (1, 1))
        self.assertEqual(self.there(), ["new:1"])

    def test_prune_to_a_number_of_files_takes_the_least_recently_used(self):
        self.forget_images()
        self.assertEqual(self.prune("--keep-inodes=3"), (0, 0))
        self.assertEqual(self.prune("--keep-inodes=1"), (2, 2))
        self.assertEqual(self.there(), ["new:1"])

    def test_what_these_flags_do_not_take(self):
        for flag, says in (("--until=rot", "--until"), ("--filter=label=x", "--filter: label: no such filter\nthere is until=DURATION"),
                           ("--filter=until=rot", "--filter until"), ("--keep-storage=rot", "--keep-storage"),
                           ("--keep-inodes=rot", "--keep-inodes: rot: not a number"), ("--keep-inodes=-1", "--keep-inodes: -1")):
            self.assertIn(says, self.imgbuild("prune", flag, status=2).stderr)
        self.assertEqual(self.there(), list(self.IMAGES))
