# SPDX-License-Identifier: Apache-2.0
"""imgbuild diff: images and layers wherever they are, of which no more is read than differs."""

import json
import os
import re

from support.case import ROOT, EndToEnd
from support.scripted_registry import MANIFEST_TYPE, ScriptedRegistry

BUILDFILE = "FROM scratch\nCOPY big /big\nCOPY a /a\nCOPY c /c\nENV V=%d\n"


class Diff(EndToEnd):
    def setUp(self):
        super().setUp()
        self.layouts = []
        big = os.urandom(65536)
        for number in (1, 2):
            context = self.context({"Buildfile": BUILDFILE % number, "big": big, "a": f"at /build/{number}\n", "c": "c\n"})
            self.layouts.append(self.export(f"layout{number}", "-t", f"app:{number}", "-o", "type=image", context))

    def manifest(self, layout):
        with open(os.path.join(layout, "index.json"), encoding="utf-8") as file:
            digest = json.load(file)["manifests"][0]["digest"]
        return digest, self.blob(layout, digest)

    @staticmethod
    def blob(layout, digest):
        with open(os.path.join(layout, "blobs", digest.replace(":", "/")), "rb") as file:
            return file.read()

    def layers(self, layout):
        return [layer["digest"] for layer in json.loads(self.manifest(layout)[1])["layers"]]

    def differing_layers(self):
        first, second = map(self.layers, self.layouts)
        self.assertEqual((first[0], first[2]), (second[0], second[2]))
        return {first[1], second[1]}

    def check(self, text):
        self.assertIn("~ /a  12 B\n    path: line 1: /build/1 | /build/2\n", text)
        self.assertRegex(text, r'config.Env:\n  \[.*"V=1"\]\n  \[.*"V=2"\]\nhistory\[3\]:\n  .*V=1.*\n  .*V=2')
        self.assertRegex(text, r"1 path differs; layers: 2 shared \(.*\), 1 only in the first \(.*\), 1 only in the second")

    def test_of_a_registry_only_layers_that_differ_are_fetched(self):
        registry = ScriptedRegistry()
        self.addCleanup(registry.close)
        for number, layout in enumerate(self.layouts, 1):
            digest, manifest = self.manifest(layout)
            for name in (str(number), digest):
                registry.manifests[("app", name)] = (MANIFEST_TYPE, manifest)
            document = json.loads(manifest)
            for descriptor in [document["config"], *document["layers"]]:
                registry.blobs[("app", descriptor["digest"])] = self.blob(layout, descriptor["digest"])
        self.store = self.path("empty-store")
        names = [f"docker://{registry.address}/app:{number}" for number in (1, 2)]
        self.check(self.imgbuild("diff", *names).stdout)
        configs = {json.loads(self.manifest(layout)[1])["config"]["digest"] for layout in self.layouts}
        asked = {match.group() for request in registry.requests if "/blobs/" in request.target
                 for match in [re.search("sha256:[0-9a-f]{64}", request.target)] if match}
        self.assertEqual(asked, self.differing_layers() | configs)
        self.assertNotEqual(self.imgbuild("diff", "--offline", *[n.replace("app", "other") for n in names], status=3).stderr, "")

    def test_of_a_store_only_layers_that_differ_are_read(self):
        keep = self.differing_layers()
        removed = 0
        for digest in self.layers(self.layouts[0]) + self.layers(self.layouts[1]):
            path = os.path.join(self.store, "blobs", digest.replace(":", "/"))
            if digest not in keep and os.path.exists(path):
                os.remove(path)
                removed += 1
        self.assertEqual(removed, 2)
        self.check(self.imgbuild("diff", "app:1", "app:2").stdout)

    def test_layouts_archives_and_layers_are_compared_like_images(self):
        self.check(self.imgbuild("diff", *self.layouts).stdout)
        archive = self.path("second.tar")
        self.imgbuild("save", "-o", archive, "app:2")
        self.check(self.imgbuild("diff", "app:1", archive).stdout)
        layers = [self.layers(layout)[1] for layout in self.layouts]
        line = "~ /a  12 B\n    path: line 1: /build/1 | /build/2\n"
        self.assertIn(line, self.imgbuild("diff", *layers).stdout)
        files = []
        for layout, layer in zip(self.layouts, layers):
            files.append(self.path(f"{len(files)}.tar.gz"))
            with open(files[-1], "wb") as file:
                file.write(self.blob(layout, layer))
        self.assertIn(line, self.imgbuild("diff", *files).stdout)
        self.assertIn("equal; layers: 1 shared", self.imgbuild("diff", files[0], files[0]).stdout)

    def test_json_and_a_page_say_the_same(self):
        page = self.path("page.html")
        report = json.loads(self.imgbuild("diff", "--format=json", "--html", page, "app:1", "app:2").stdout)
        self.assertFalse(report["equal"])
        self.assertEqual([(f["path"], f["change"], f["cause"], f["sizeAfter"]) for f in report["files"]],
                         [("/a", "changed", "path", 12)])
        self.assertEqual([layer["same"] for layer in report["layers"]], [True, False, False, True])
        with open(page, encoding="utf-8") as file:
            self.assertIn("<code>/a</code>", file.read())
        self.assertIn("no such format", self.imgbuild("diff", "--format=xml", "app:1", "app:2", status=2).stderr)
        self.assertIn("equal; layers", self.imgbuild("diff", "app:1", "app:1").stdout)

    def test_the_documentation_lists_every_kind(self):
        with open(os.path.join(ROOT, "builder", "compare", "kinds.cc"), encoding="utf-8") as file:
            kinds = re.findall(r'KindInfo\{DifferenceKind::\w+,\s*"([^"]+)",\s*"([^"]+)",\s*"([^"]+)"\}', file.read())
        with open(os.path.join(ROOT, "docs", "reproducible.md"), encoding="utf-8") as file:
            documentation = file.read()
        self.assertGreater(len(kinds), 40)
        for name, what, remedy in kinds:
            self.assertIn(f"| `{name}` | {what} | {remedy.replace('|', chr(92) + '|')} |\n", documentation)
