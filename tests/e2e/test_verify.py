# SPDX-License-Identifier: Apache-2.0
"""imgbuild verify and diff: what differs between two builds is found, named rightly, and found by diffoscope as well."""

import html.parser
import json
import os
import shutil

from support.case import EndToEnd, need_tool
from support.planted import plant
from support.user import become_ordinary_user

EQUAL = "FROM busybox\nCOPY a /a\nRUN mkdir /d && cat /a > /d/b && chmod 700 /d\n"


class Verify(EndToEnd):
    def verify(self, *arguments, status=0, **options):
        """The report as JSON."""
        result = self.imgbuild("verify", "--progress=quiet", "--format=json", *arguments, status=status, **options)
        return json.loads(result.stdout)

    def test_every_planted_cause_is_named_with_the_step_that_made_it(self):
        context, expected = plant(self)
        report = self.verify("--twice", "--html", self.path("page.html"), context, status=4)
        self.assertFalse(report["equal"])
        found = {}
        places = {layer["after"]["layer"]: layer.get("place", "") for layer in report["images"][0]["layers"]}
        for file in report["images"][0]["files"]:
            line = places[file["layerAfter"] if "layerAfter" in file else file["layerBefore"]].rsplit(":", 1)[1]
            found[file["path"]] = (file["cause"], int(line))
            self.assertNotEqual([(f["before"], f["after"]) for f in file["findings"]], [], file)
            self.assertNotEqual(file["remedy"], "")
        self.assertEqual(found, expected)
        self.assertGreaterEqual(len({kind for kind, _ in found.values()}), 15)
        self.assert_page_is_whole(self.path("page.html"), found)
        self.assert_store_is_sound()

    def assert_page_is_whole(self, path, files):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        open_tags, seen = [], []

        class Reader(html.parser.HTMLParser):
            def handle_starttag(self, tag, attrs):
                if tag not in ("meta", "input"):
                    open_tags.append(tag)
                seen.extend(value for name, value in attrs if name in ("src", "href"))

            def handle_endtag(self, tag):
                assert open_tags.pop() == tag, tag

        Reader(convert_charrefs=True).feed(text)
        self.assertEqual(open_tags, [])
        self.assertEqual(seen, ["#main"])  # nothing of elsewhere
        for name in files:
            self.assertIn(f"<code>{name}</code>", text)

    def test_a_build_that_is_reproducible_is_equal_and_says_what_was_varied(self):
        context = self.context({"Buildfile": EQUAL, "a": "text\n"})
        report = self.verify("--twice", os.path.relpath(context, self.folder))
        self.assertTrue(report["equal"])
        self.assertEqual(report["images"][0]["files"], [])
        varied = [one["what"] for one in report["varied"]]
        for what in ("store", "jobs", "host name", "path of the context", "processors", "time"):
            self.assertIn(what, varied)
        self.assertEqual(os.listdir(os.path.join(self.store, "pending")), [])

    def test_an_image_is_built_again_from_what_was_recorded(self):
        buildfile = "ARG WORD\nFROM busybox\nARG WORD\nRUN echo $WORD > /word\nCOPY a /a\n"
        context = self.context({"Buildfile": buildfile, "a": "text\n"})
        self.build("-t", "app", "--label", "l=v", "--build-arg", "WORD=secret", context)
        same = self.verify("app", "--build-arg", "WORD=secret")
        self.assertTrue(same["equal"])
        self.assertEqual(same["notes"], [])
        # No value of a build argument is in a record: without it another image is built, and it is said why.
        for record in os.listdir(os.path.join(self.store, "builds")):
            with open(os.path.join(self.store, "builds", record), encoding="utf-8") as file:
                self.assertNotIn("secret", file.read())
        other = self.verify("app", status=4)
        self.assertIn("build argument WORD", other["notes"][0])
        self.assertEqual([file["path"] for file in other["images"][0]["files"]], ["/word"])

    def test_what_has_changed_since_an_image_was_built_is_said(self):
        context = self.context({"Buildfile": "FROM busybox\nCOPY a /a\n", "a": "at /one/x\n"})
        self.build("-t", "app", context)
        self.context({"a": "at /two/x\n", "Buildfile": "FROM busybox\nCOPY a /b\n"})
        result = self.imgbuild("verify", "--progress=quiet", "app", status=4)
        self.assertIn("Buildfile: has changed since; the recorded text is used", result.stdout)
        self.assertIn("note: context: has changed since: was sha256:", result.stdout)
        self.assertIn("COPY a /a (", result.stdout)
        self.assertIn("/a: path: a path of the place where it was made\n      line 1: /one/x | /two/x\n", result.stdout)
        shutil.rmtree(context)
        gone = self.imgbuild("verify", "app", status=2)
        self.assertIn(f"{context}", gone.stderr)

    def test_an_image_that_nobody_remembers_is_compared_with_what_is_named(self):
        context = self.context({"Buildfile": "FROM busybox\nCOPY a /a\n", "a": "text\n"})
        self.build("-t", "app", context)
        shutil.rmtree(os.path.join(self.store, "builds"))
        refused = self.imgbuild("verify", "app", status=2)
        self.assertIn("app: the store remembers no build of it", refused.stderr)
        self.assertTrue(self.verify("app", context)["equal"])
        self.assertIn("app: reproduced: sha256:", self.imgbuild("verify", "--progress=quiet", "app", context).stdout)

    def test_bases_are_those_of_the_first_build_wherever_their_names_have_gone(self):
        base = self.context({"Buildfile": "FROM busybox\nCOPY a /base\n", "a": "one\n"}, "base")
        self.build("-t", "base", base)
        context = self.context({"Buildfile": "FROM base\nRUN cat /base > /copy\n"})
        self.build("-t", "app", context)
        self.context({"a": "two\n"}, "base")
        self.build("-t", "base", base)
        self.assertTrue(self.verify("app")["equal"])
        with open(os.path.join(self.store, "index.json"), encoding="utf-8") as file:
            self.assertIn("app", file.read())
        self.imgbuild("rm", "base")
        self.assertTrue(self.verify("app")["equal"])

    def test_an_ordinary_user_verifies_too_and_nothing_is_left(self):
        context = self.context({"Buildfile": EQUAL, "a": "text\n"})
        become_ordinary_user(self)
        self.assertTrue(self.verify("--twice", context)["equal"])
        self.assertEqual(os.listdir(os.path.join(self.store, "pending")), [])

    def test_an_image_with_provenance_needs_no_record(self):
        context = self.context({"Buildfile": "ARG WORD\nFROM busybox\nARG WORD\nRUN echo $WORD > /word\nCOPY a /a\n",
                                "a": "text\n"})
        for version in ("v1", "v0.2"):
            with self.subTest(version=version):
                self.build("-t", "app", f"--provenance=version={version}", "--label", "l=v", "--build-arg", "WORD=told",
                           context)
                shutil.rmtree(os.path.join(self.store, "builds"))
                self.assertIn("was built from a directory", self.imgbuild("verify", "app", status=2).stderr)
                self.assertTrue(self.verify("app", context)["equal"])
                self.assertFalse(self.verify("app", "--label", "l=w", context, status=4)["equal"])

    def test_streams_and_wrong_words_are_refused(self):
        self.assertIn("cannot be read twice", self.imgbuild("verify", "--twice", "-", status=2, stdin="").stderr)
        self.assertIn("one word too many", self.imgbuild("verify", "--twice", "a", "b", status=2).stderr)
        self.assertIn("no such format", self.imgbuild("verify", "--twice", "--format=xml", ".", status=2).stderr)

    def test_diffoscope_finds_what_diff_finds_and_nothing_else(self):
        need_tool("diffoscope")
        context, _ = plant(self)
        folders = []
        for name, machine in (("first", "buildkitsandbox"), ("second", "another-host")):
            folders.append(self.path(name))
            self.build("-t", name, "-o", f"type=local,dest={folders[-1]}", "-o", "type=image",
                       "--build-arg", f"BUILDKIT_SANDBOX_HOSTNAME={machine}", context)
        report = json.loads(self.imgbuild("diff", "--format=json", "first", "second").stdout)
        ours = {file["path"] for file in report["files"]}
        self.assertEqual(self.diffoscope(*(os.path.join(folder, "planted") for folder in folders)),
                         {path for path in ours if path.startswith("/planted/")})
        self.assertEqual(self.diffoscope(folders[0] + "/versions", folders[1] + "/versions"), set())
        self.assertEqual([path for path in ours if path.startswith("/versions")], [])

    def diffoscope(self, first, second):
        """The files that differ, as paths from the root of the image."""
        done = self.command("diffoscope", "--exclude-directory-metadata=no", "--json", "-", "--no-progress",
                            first, second, status=None)
        if done.status == 0:
            return set()
        self.assertEqual(done.status, 1, done.stderr)
        names = set()
        for part in json.loads(done.stdout)["details"]:
            if part["source1"] == "file list":
                lines = part["unified_diff"].splitlines()[1:]
                names.update("/planted/" + line[1:] for line in lines if line[:1] in ("+", "-"))
            elif part["source1"] != "stat {}":  # that is of the folder, which holds other names
                names.add("/planted/" + os.path.relpath(part["source1"], first))
        return names
