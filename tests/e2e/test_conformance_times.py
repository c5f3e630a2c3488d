# SPDX-License-Identifier: Apache-2.0
"""SOURCE_DATE_EPOCH, WORKDIR and places of errors (docs/conformance.md, 11.26 and 11.27)."""

import datetime
import hashlib
import os
import tarfile

from support.archives import tar_of
from support.git import Repository
from support.language import Language
from support.oci import open_layout
from support.web import serve_folder

EPOCH = "1600000000"
EPOCH_TEXT = "2020-09-13T12:26:40Z"
UNSET = 315619200


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
        self.refused("ARG SOURCE_DATE_EPOCH=soon\nFROM scratch\n", "invalid SOURCE_DATE_EPOCH: soon")

    def test_a_time_that_is_none(self):
        self.refused("FROM scratch\nCOPY f /\n", "invalid SOURCE_DATE_EPOCH: soon", "--build-arg", "SOURCE_DATE_EPOCH=soon",
                     tree={"f": ""})


class EpochSources(Language):
    """11.26: the time that a context or a stage has"""

    MODIFIED, OLD, NEWEST = 1500000000, 1400000000, 1450000000
    SHOWN = "FROM busybox\nARG SOURCE_DATE_EPOCH\nRUN echo \"<$SOURCE_DATE_EPOCH>\" > /x\n"
    BY_CONTEXT = "ARG SOURCE_DATE_EPOCH=context\n" + SHOWN

    def setUp(self):
        super().setUp()
        self.web = self.make_folder("web")
        self.dated, _ = serve_folder(self, self.web)
        self.undated, _ = serve_folder(self, self.web, dated=False)

    def put_archive(self, name, buildfile=""):
        """An archive whose newest regular file is of NEWEST, on a server that says MODIFIED of it."""
        times = {"Buildfile": self.OLD, "new": self.NEWEST, "later": self.NEWEST + 99}

        def date(member):
            member.mtime = times[member.name]
            if member.name == "later":
                member.type = tarfile.DIRTYPE

        archive = tar_of({"Buildfile": buildfile, "new": "", "later": ""}, "w:gz", date)
        path = os.path.join(self.web, name)
        with open(path, "wb") as file:
            file.write(archive)
        os.utime(path, (self.MODIFIED, self.MODIFIED))

    def expect(self, seconds, *arguments):
        """Checks the time of an image and of the files in it; RUN shows it too if the Buildfile asks for that."""
        image = open_layout(self.export(self.new_name("layout"), *arguments))
        text = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.assertEqual(image.config["created"], text)
        self.assertEqual({member.mtime for member in image.layers()[-1]}, {seconds})
        return image

    def expect_shown(self, seconds, *arguments, value=None):
        image = self.expect(seconds, *arguments)
        shown = image.layers()[-1].extractfile("x").read().decode()
        self.assertEqual(shown, f"<{seconds if value is None else value}>\n")

    def stage(self, body, name="src"):
        return self.source(f"ARG SOURCE_DATE_EPOCH={name}\nFROM scratch AS src\n{body}\n{self.SHOWN}", {"f": "x\n"})

    def test_an_attribute_of_an_output_goes_before_all_and_empty_turns_it_off(self):
        files = self.source(f"ARG SOURCE_DATE_EPOCH={EPOCH}\n" + self.SHOWN)
        for attribute, argument, created in (("5", "7", "1970-01-01T00:00:05Z"), ("", "7", "1980-01-02T00:00:00Z"),
                                             ("", None, "1980-01-02T00:00:00Z")):
            out = self.path(self.new_name("dated"))
            arguments = ["--build-arg", f"SOURCE_DATE_EPOCH={argument}"] if argument else []
            self.build("-o", f"type=oci,tar=false,dest={out},source-date-epoch={attribute}", *arguments, files)
            image = open_layout(out)
            self.assertEqual(image.config["created"], created)
            self.assertEqual(image.layers()[-1].extractfile("x").read().decode(), f"<{attribute}>\n")
        self.refuse("-o", "type=tar,dest=a,source-date-epoch=5", "-o", "type=tar,dest=b,source-date-epoch=6", files,
                    status=2, says="two outputs want different times")

    def test_of_a_repository_it_is_the_time_of_the_commit(self):
        Repository(self, "r", {"Buildfile": self.BY_CONTEXT}, self.web)
        self.expect_shown(1700000000, f"{self.dated}/r.git")
        self.expect_shown(1700000000, f"{self.dated}/r.git")
        other = self.source("ARG SOURCE_DATE_EPOCH=named\n" + self.SHOWN)
        self.expect_shown(1700000000, "--build-context", f"named={self.dated}/r.git", other)
        self.expect_shown(1700000000, self.stage(f"ADD {self.dated}/r.git /"))

    def test_of_an_archive_from_the_web_it_is_last_modified(self):
        self.put_archive("c.tgz", self.BY_CONTEXT)
        self.expect_shown(self.MODIFIED, f"{self.dated}/c.tgz")
        self.expect_shown(self.MODIFIED, f"{self.dated}/c.tgz", "--offline")

    def test_else_it_is_that_of_the_newest_file_in_the_archive(self):
        self.put_archive("c.tgz", self.BY_CONTEXT)
        for _ in range(2):
            self.expect_shown(self.NEWEST, f"{self.undated}/c.tgz")
        self.expect_shown(self.NEWEST, self.path("web", "c.tgz"))

    def test_a_directory_has_no_time(self):
        self.expect_shown(UNSET, self.source(self.BY_CONTEXT), value="")
        self.expect_shown(UNSET, self.source(self.SHOWN), "--build-arg", "SOURCE_DATE_EPOCH=context", value="")

    def test_a_stage_that_adds_one_file_of_the_web_has_its_time(self):
        self.put_archive("c.tgz")
        self.expect_shown(self.NEWEST, self.stage(f"ARG NAME=c.tgz\nADD {self.undated}/$NAME /"))
        self.expect_shown(self.MODIFIED, self.stage(f"ADD {self.dated}/c.tgz /"))
        by_argument = self.source(f"FROM scratch AS src\nADD {self.dated}/c.tgz /\n" + self.SHOWN)
        self.expect_shown(self.MODIFIED, "--build-arg", "SOURCE_DATE_EPOCH=src", by_argument)

    def test_a_build_argument_goes_before_the_stage(self):
        self.expect_shown(int(EPOCH), "--build-arg", f"SOURCE_DATE_EPOCH={EPOCH}",
                          self.stage(f"ADD {self.dated}/c.tgz /"))

    def test_a_stage_with_more_than_one_remote_source_is_refused(self):
        self.put_archive("c.tgz")
        add = f"ADD {self.dated}/c.tgz /"
        for body, line, reason in ((f"{add}\nCOPY f /", 4, "it has COPY"), (f"{add}\n{add}", 4, "it has more than one ADD"),
                                   ("ARG a", 2, "it has no ADD"), ("ADD f /", 3, "its ADD takes no URL"),
                                   (f"ADD {self.dated}/c.tgz {self.dated}/c.tgz /d/", 3, "more than one source")):
            self.refuse(self.stage(body), status=2, says=[
                f"Buildfile:{line}:", "SOURCE_DATE_EPOCH stage does not meet source-only requirements: ", reason])
        self.refuse(self.source(f"ARG SOURCE_DATE_EPOCH=src\nFROM busybox AS src\n{add}\nFROM src\n"), status=2,
                    says="it is not FROM scratch")

    def test_a_named_context_has_last_modified(self):
        self.put_archive("c.tgz")
        files = self.source("ARG SOURCE_DATE_EPOCH=named\n" + self.SHOWN)
        self.expect_shown(self.MODIFIED, "--build-context", f"named={self.dated}/c.tgz", files)
        self.refuse("--build-context", "named=docker-image://busybox", files, status=2,
                    says=["invalid SOURCE_DATE_EPOCH: named", "this context is an image"])

    def test_a_named_context_that_is_an_archive_has_its_newest_file(self):
        self.put_archive("c.tgz")
        files = self.source("ARG SOURCE_DATE_EPOCH=named\n" + self.SHOWN)
        for place in (f"{self.undated}/c.tgz", self.path("web", "c.tgz")):
            self.expect_shown(self.NEWEST, "--build-context", f"named={place}", files)
        self.expect_shown(UNSET, "--build-context", f"named={self.make_folder('plain')}", files, value="")

    def test_created_git_is_the_commit_of_the_work_tree(self):
        repository = Repository(self, "r", {"sub/Buildfile": self.SHOWN}, self.web)
        context = os.path.join(repository.folder, "sub")
        self.expect_shown(1700000000, "--created=git", "--build-arg", "SOURCE_DATE_EPOCH=7", context)
        self.assertNotIn("differ from the commit", self.build("--created=git", context).stderr)
        with open(os.path.join(context, "Buildfile"), "a", encoding="utf-8") as file:
            file.write("ENV a=b\n")
        self.assertIn("differ from the commit", self.build("--created=git", context).stderr)
        self.refuse("--created=git", self.source(self.SHOWN), status=2, says="--created=git takes a context")


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
