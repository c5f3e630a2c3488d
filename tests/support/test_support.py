#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The instruments are right: layers are applied as the image specification says, and results are added up."""

import io
import json
import os
import sys
import tarfile
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from support import summary  # noqa: E402  (the path is set above)
from support.oci import open_layout, sha256  # noqa: E402
from support.tree import apply_layer, differences, link_groups  # noqa: E402


def layer(*entries):
    """A tar of (name, type of entry or content, link target)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, what, *link in entries:
            member = tarfile.TarInfo(name)
            if what in (tarfile.DIRTYPE, tarfile.LNKTYPE):
                member.type = what
                member.linkname = link[0] if link else ""
                archive.addfile(member)
            else:
                member.size = len(what)
                archive.addfile(member, io.BytesIO(what))
    return out.getvalue()


def applied(*layers):
    tree = {}
    for data in layers:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            apply_layer(tree, archive)
    return tree


class Layers(unittest.TestCase):
    BASE = layer(("d", tarfile.DIRTYPE), ("d/a", b"a"), ("d/b", b"b"), ("f", b"f"))

    def test_a_whiteout_takes_away_what_lies_below_and_nothing_of_its_own_layer(self):
        self.assertEqual(set(applied(self.BASE, layer(("d/.wh.a", b"")))), {"d", "d/b", "f"})
        self.assertEqual(set(applied(self.BASE, layer(("d/c", b"c"), (".wh.d", b"")))), {"f", "d/c"})

    def test_an_opaque_directory_hides_all_that_was_in_it(self):
        self.assertEqual(set(applied(self.BASE, layer(("d/c", b"c"), ("d/.wh..wh..opq", b"")))), {"d", "d/c", "f"})

    def test_a_directory_that_becomes_a_file_loses_its_content(self):
        self.assertEqual(set(applied(self.BASE, layer(("d", b"now a file")))), {"d", "f"})

    def test_a_directory_that_is_there_keeps_its_content(self):
        self.assertEqual(set(applied(self.BASE, layer(("d", tarfile.DIRTYPE)))), {"d", "d/a", "d/b", "f"})

    def test_a_hard_link_is_what_it_links_to(self):
        tree = applied(self.BASE, layer(("g", tarfile.LNKTYPE, "f")))
        self.assertEqual(tree["g"], tree["f"])
        self.assertEqual(link_groups(tree), {frozenset(("f", "g"))})
        self.assertEqual(link_groups(applied(self.BASE, layer(("d/b", b"f")))), set(), "equal files are not one file")

    def test_differences_name_path_and_both_sides(self):
        other = applied(layer(("f", b"F")))
        self.assertEqual(len(differences(applied(layer(("f", b"f"))), other)), 1)
        self.assertEqual(differences(other, other), [])


class Layouts(unittest.TestCase):
    def write(self, folder, data):
        name = os.path.join(folder, "blobs", "sha256", sha256(data)[7:])
        os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, "wb") as file:
            file.write(data)
        return {"digest": sha256(data), "size": len(data)}

    def test_a_blob_with_other_bytes_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            tar = layer(("f", b"f"))
            config = self.write(folder, json.dumps({"rootfs": {"diff_ids": [sha256(tar)]}}).encode())
            config["mediaType"] = "application/vnd.oci.image.config.v1+json"
            blob = self.write(folder, tar)
            manifest_type = "application/vnd.oci.image.manifest.v1+json"
            manifest = self.write(folder, json.dumps({"schemaVersion": 2, "mediaType": manifest_type, "config": config,
                                                      "layers": [blob]}).encode())
            documents = {"oci-layout": {"imageLayoutVersion": "1.0.0"},
                         "index.json": {"schemaVersion": 2, "manifests": [{**manifest, "mediaType": manifest_type}]}}
            for name, document in documents.items():
                with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                    json.dump(document, file)
            self.assertEqual(open_layout(folder).layer_tars(), [tar])
            self.write(folder, tar)
            with open(os.path.join(folder, "blobs", "sha256", blob["digest"][7:]), "r+b") as file:
                file.write(b"X")
            with self.assertRaisesRegex(AssertionError, "other bytes"):
                open_layout(folder).layer_tars()


class Summary(unittest.TestCase):
    def test_cases_of_doctest_and_unittest_are_counted_one_by_one(self):
        doctest = "[doctest] test cases:  12 |  11 passed | 1 failed | 3 skipped"
        self.assertEqual(summary.count_one({"result": "FAIL", "stdout": doctest}), (11, 1, 0))
        self.assertEqual(summary.count_one({"result": "OK", "stderr": "Ran 5 tests in 0.1s\n\nOK"}), (5, 0, 0))

    def test_a_test_that_says_nothing_counts_as_one(self):
        self.assertEqual(summary.count_one({"result": "OK"}), (1, 0, 0))
        self.assertEqual(summary.count_one({"result": "TIMEOUT", "stdout": "x"}), (0, 1, 0))
        self.assertEqual(summary.count_one({"result": "SKIP"}), (0, 0, 1))

    def test_a_binary_that_dies_behind_its_last_case_has_failed(self):
        text = "[doctest] test cases: 2 | 2 passed | 0 failed | 0 skipped"
        self.assertEqual(summary.count_one({"result": "FAIL", "stdout": text}), (2, 1, 0))


if __name__ == "__main__":
    unittest.main()
