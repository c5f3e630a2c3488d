# SPDX-License-Identifier: Apache-2.0
"""SOURCE_DATE_EPOCH, WORKDIR and places of errors (docs/conformance.md, 11.26 and 11.27)."""

import hashlib
import os

from support.language import Language

EPOCH = "1600000000"
EPOCH_TEXT = "2020-09-13T12:26:40Z"


class Epoch(Language):
    """11.26"""

    def test_times_of_the_image_are_the_build_argument(self):
        image = self.image("FROM busybox\nENV a=b\nRUN echo x > /x\n", None, "--build-arg",
                           f"SOURCE_DATE_EPOCH={EPOCH}")
        self.assertEqual(image.config["created"], EPOCH_TEXT)
        self.assertEqual({entry["created"] for entry in image.config["history"][-2:]}, {EPOCH_TEXT})

    def test_runs_removals_and_links_of_the_same_time_give_the_same_image(self):
        text = ("FROM busybox\nRUN touch /a /b\nRUN rm /a && mkdir /d && touch -t 203001010000 /d/late\n"
                "COPY --link f /f\n"
                "FROM scratch\nCOPY --from=0 / /\n")
        arguments = ["--build-arg", f"SOURCE_DATE_EPOCH={EPOCH}"]
        first = self.image(text, {"f": "x\n"}, *arguments)
        self.store = self.path("other-store")
        second = self.image(text, {"f": "x\n"}, *arguments, "--no-cache")
        self.assertEqual(first.digest, second.digest)
        self.assertEqual({member.mtime for layer in first.layers() for member in layer}, {int(EPOCH)})

    def test_layers_of_the_base_are_left_as_they_are(self):
        plain = self.image("FROM busybox\n")
        dated = self.image("FROM busybox\nRUN echo x > /x\n", None, "--build-arg", f"SOURCE_DATE_EPOCH={EPOCH}")
        below = len(plain.manifest["layers"])
        self.assertEqual(dated.manifest["layers"][:below], plain.manifest["layers"])
        self.assertEqual(dated.config["history"][:len(plain.config["history"])], plain.config["history"])
        self.assertEqual(len(dated.manifest["layers"]), below + 1)

    def test_a_default_in_the_file_unless_a_build_argument_says_otherwise(self):
        text = f"ARG SOURCE_DATE_EPOCH={EPOCH}\nFROM busybox\nARG SOURCE_DATE_EPOCH\nRUN echo $SOURCE_DATE_EPOCH > /x\n"
        image = self.image(text)
        self.assertEqual((image.config["created"], {member.mtime for member in image.layers()[-1]}),
                         (EPOCH_TEXT, {int(EPOCH)}))
        self.assertEqual(self.files(text)["x"], EPOCH + "\n")
        image = self.image(text, None, "--build-arg", "SOURCE_DATE_EPOCH=1500000000")
        self.assertEqual(image.config["created"], "2017-07-14T02:40:00Z")
        off = self.image(text, None, "--build-arg", "SOURCE_DATE_EPOCH=")
        self.assertEqual(off.config["created"], "1980-01-02T00:00:00Z")
        self.refused("ARG SOURCE_DATE_EPOCH=soon\nFROM scratch\n", "SOURCE_DATE_EPOCH: soon: no number of seconds")

    def test_a_time_that_is_none(self):
        self.refused("FROM scratch\nCOPY f /\n", "SOURCE_DATE_EPOCH", "--build-arg", "SOURCE_DATE_EPOCH=soon",
                     tree={"f": ""})


class Workdir(Language):
    """11.27"""

    def test_it_makes_its_directory(self):
        built = self.files("FROM scratch\nWORKDIR /foo/bar\n")
        self.assertEqual((built.node("foo/bar").kind, built.mode("foo")), ("directory", 0o755))

    def test_the_layout_is_the_same_bytes_again(self):
        files = self.source("FROM busybox\nWORKDIR /mydir\n")
        digests = []
        for i in range(2):
            self.store = self.path(f"store{i}")
            layout = self.path(f"layout{i}")
            self.build("-o", f"type=oci,tar=false,dest={layout}", "--build-arg", f"SOURCE_DATE_EPOCH={EPOCH}", files)
            with open(os.path.join(layout, "index.json"), "rb") as file:
                digests.append(hashlib.sha256(file.read()).digest())
        self.assertEqual(digests[0], digests[1])

    def test_what_is_made_belongs_to_the_user(self):
        built = self.files("FROM busybox\nUSER www-data\nWORKDIR /mydir/sub\nRUN touch f\n")
        self.assertEqual({built.owner(path) for path in ("mydir/sub", "mydir/sub/f")}, {(33, 33)})

    def test_sources_of_another_stage_count_from_its_root(self):
        built = self.files("FROM busybox AS base\nWORKDIR /foo\nRUN echo x > bar\nFROM scratch\nWORKDIR /baz\n"
                           "COPY --from=base foo/bar .\n")
        self.assertEqual(built["baz/bar"], "x\n")
        self.refused("FROM busybox AS base\nWORKDIR /foo\nRUN echo x > bar\nFROM scratch\nWORKDIR /foo\n"
                     "COPY --from=base bar .\n", "bar: no such file")

    def test_what_is_there_keeps_its_owner(self):
        built = self.files("FROM busybox\nRUN mkdir -m 0700 /mydir && chown 1000:1001 /mydir\nUSER www-data\n"
                           "WORKDIR /mydir\n")
        self.assertEqual((built.owner("mydir"), built.mode("mydir")), ((1000, 1001), 0o700))


class Places(Language):
    """11.27: the line that an error names"""

    def test_of_every_kind_of_error(self):
        for text, line in (("FROM scratch\nENV foo\n", 2), ("FROM busybox\n# note\nENV a=b \\\n  ${c\n", 4),
                           ("FROM busybox\n\nRUN false\n", 3), ("FROM scratch\nCOPY f /\n\nCOPY nofile /\n", 4),
                           ("FROM scratch AS a\nFROM scratch\nCOPY --from=a none /\n", 3),
                           ("FROM busybox\nRUN --mont=x true\n", 2), ("FROM scratch\nENV a=b\\\n  c=d\nBAD x\n", 4),
                           ("FROM busybox\nRUN true && \\\n  true && \\\n  false\n", 2)):
            result = self.build(self.source(text, {"f": ""}), status=None)
            self.assertIn(result.status, (1, 2), text)
            self.assertRegex(result.stderr, rf"Buildfile:{line}:", text)
