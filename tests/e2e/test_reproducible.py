# SPDX-License-Identifier: Apache-2.0
"""The same input gives the same manifest digest, wherever and however it is built."""

import os
import re
import shutil
import tarfile
import tempfile

from packages import measure
from support.bases import debian_tar
from support.case import PROGRAM, ROOT, EndToEnd, File, HardLink, Link
from support.git import Repository
from support.oci import open_layout
from support.user import become_ordinary_user
from support.web import serve_folder

HELLO = os.path.join(ROOT, "examples", "hello")
FILE_TIME = 315619200  # 1980-01-02T00:00:00Z


class Reproducible(EndToEnd):
    def digest(self, store, context, *arguments, **env):
        return self.imgbuild("build", "-q", "--no-cache", *arguments, context, env={"IMGBUILD_STORE": store, **env}).digest

    def copy_of_hello(self, name):
        path = self.path(name)
        shutil.copytree(HELLO, path, symlinks=True)
        return path

    def test_two_stores_two_folders_and_any_number_of_jobs(self):
        first, second = self.copy_of_hello("here"), self.copy_of_hello(os.path.join("there", "deeper"))
        for folder, _, names in os.walk(second):
            for name in names:
                os.utime(os.path.join(folder, name), (1_234_567_890, 1_234_567_890))
        digests = {
            self.digest(self.path("store1"), first, "--jobs", "1"),
            self.digest(self.path("store1"), first, "--jobs", "7"),
            self.digest(self.path("store2"), second, "--jobs", "7"),
            self.digest(self.path("store3"), second, TZ="Asia/Tokyo", LANG="de_DE.UTF-8", USER="somebody"),
        }
        self.assertEqual(len(digests), 1, digests)

    def test_root_and_an_ordinary_user(self):
        files = self.copy_of_hello("here")
        as_root = self.digest(self.path("store1"), files)
        become_ordinary_user(self)
        self.assertEqual(self.digest(self.path("store2"), files), as_root)

    def test_owners_and_special_files_survive_an_ordinary_user(self):
        files = self.context({"Buildfile": "FROM busybox\nRUN mkdir /d && echo x > /d/f && chown -R 33:33 /d "
                                           "&& mkfifo /d/p && chmod 2750 /d && rm /etc/group && mkdir /etc/group\n"
                                           "RUN rm -r /d/f && mv /etc/passwd /d/ && chown 1000:1000 /tmp\n"})
        as_root = self.digest(self.path("store1"), files)
        become_ordinary_user(self)
        self.assertEqual(self.digest(self.path("store2"), files), as_root)

    def test_every_entry_of_our_layers_has_the_file_time(self):
        image = open_layout(self.export("layout", self.copy_of_hello("here")))
        self.assertEqual(image.config["created"], "1980-01-02T00:00:00Z")
        for archive in image.layers()[1:]:
            for member in archive:
                self.assertEqual(member.mtime, FILE_TIME, member.name)
                self.assertEqual((member.uname, member.gname), ("", ""))

    def test_source_date_epoch_sets_the_time_and_runs_nothing_again(self):
        files = self.context({"Buildfile": "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /id\n"})
        plain = open_layout(self.export("plain", files))
        dated = self.path("dated")
        self.build("--require-cached", "-o", f"type=oci,tar=false,dest={dated}", files,
                   env={"SOURCE_DATE_EPOCH": "1700000000"})
        dated = open_layout(dated)
        self.assertEqual(dated.config["created"], "2023-11-14T22:13:20Z")
        self.assertEqual({member.mtime for member in dated.layers()[-1]}, {1700000000})
        self.assertNotEqual(plain.digest, dated.digest)

    def test_what_a_run_sees_of_time_is_the_constant(self):
        files = self.context({"Buildfile": "FROM busybox\nCOPY a /a\nRUN stat -c %Y /a /bin/busybox > /times && "
                                           "echo $SOURCE_DATE_EPOCH >> /times\n", "a": "alpha\n"})
        out = self.path("out")
        self.build("-o", f"type=local,dest={out}", files)
        with open(os.path.join(out, "times"), encoding="ascii") as file:
            self.assertEqual(set(file.read().split()), {str(FILE_TIME)})

    def test_the_docker_archive_is_the_same_bytes_twice(self):
        files = self.copy_of_hello("here")
        for name in ("one.tar", "two.tar"):
            self.build("-t", "hello:1", "-o", f"type=docker,dest={self.path(name)}", files,
                       env={"IMGBUILD_STORE": self.path("store-" + name)})
        with open(self.path("one.tar"), "rb") as one, open(self.path("two.tar"), "rb") as two:
            self.assertEqual(one.read(), two.read())


class FormatVersion(EndToEnd):
    """docs/formats/format-version.md"""

    # Every instruction that says something in config or history, and a layer of each kind that needs no command.
    BUILDFILE = """FROM scratch AS other
COPY a /from/
FROM scratch
ARG NAME=value
ENV A=1 B="two words"
LABEL org.example.b=2 org.example.a=$NAME
COPY --chown=3:4 --chmod=750 a d /x/
COPY --from=other /from /y/
COPY <<one <<two /z/
$NAME
one
second
two
ADD archive.tar /w/
WORKDIR /made/here
USER 1000:0
EXPOSE 80 53/udp
VOLUME /data
STOPSIGNAL SIGINT
SHELL ["/bin/ash", "-c"]
HEALTHCHECK --interval=5s --retries=4 CMD true
ONBUILD RUN make
ENTRYPOINT ["/x/a", "<&>"]
CMD run it
MAINTAINER somebody
"""

    def setUp(self):
        super().setUp()
        self.files = self.context({"Buildfile": self.BUILDFILE, "a": "a\n", "d/e": File(b"e", 0o755), "d/l": Link("e"),
                                   "d/h": HardLink("d/e")})
        with tarfile.open(os.path.join(self.files, "archive.tar"), "w") as archive:
            archive.addfile(tarfile.TarInfo("member"))

    def test_the_image_of_version_1_is_that_of_all_releases(self):
        """Golden: what changes it needs a new version of the format, and this one stays."""
        said = {}
        for compression in ("uncompressed", "gzip", "zstd"):
            layout = self.path(compression)
            self.build("--format-version=1", "--platform=linux/amd64", "-o",
                       f"type=oci,tar=false,compression={compression},dest={layout}", self.files)
            image = open_layout(layout)
            said[compression] = image.digest
            self.assertEqual(image.manifest["annotations"], {"io.imgbuild.format-version": "1"})
            said["config"] = image.manifest["config"]["digest"]
        self.assertEqual(said, {
            "config": "sha256:b2990ebb4452f2bc3edc0172e35f4953193f42971debd5940caeeb527e0941e4",
            "uncompressed": "sha256:41e88be762e8d871f469cea8976e87047d72d25c3891f183cd7d5ca80624948b",
            "gzip": "sha256:cf4fa5ad8bb9a0ffecc88e78a6e0cd1b47aaaabec81393bace5b8e43981f4ffb",
            "zstd": "sha256:d6a9382103f7ba5401dd982c87f248d815ce5e60b241aaecee102ce4f9a837fc",
        })

    def test_the_newest_version_is_the_usual_one(self):
        self.assertEqual(self.imgbuild("build", "-q", self.files).digest,
                         self.imgbuild("build", "-q", "--format-version=1", self.files).digest)

    def test_an_unknown_version_is_refused_with_those_that_there_are(self):
        for version in ("0", "2", "257", "one", "-1", ""):
            self.refuse(f"--format-version={version}", self.files, status=2,
                        says=["--format-version: ", "no such version of the image format", "this program knows 1"])


class Strict(EndToEnd):
    """--repro=strict; the table of packages in docs/reproducible.md is made by tests/packages/measure.py"""

    LEFT_OVER = ("FROM busybox\nRUN cat /proc/sys/kernel/random/uuid | tee /etc/machine-id /var/log/install.log > /kept && "
                 "mkdir -p /var/cache/ldconfig && date > /var/cache/ldconfig/aux-cache\nRUN ls -a /var/log /etc > /list\n")

    def test_what_the_table_names_is_not_in_the_image_and_the_rest_is(self):
        files = self.context({"Buildfile": self.LEFT_OVER})
        usual = self.names(self.export("usual", files))
        said = self.build("--repro=strict", "-o", f"type=oci,tar=false,dest={self.path('strict')}", files)
        self.assertIn("3 files left out (--repro=strict)", said.stderr)
        strict = self.names(self.path("strict"))
        self.assertEqual(usual - strict, {"etc/machine-id", "var/log/install.log", "var/cache/ldconfig/aux-cache"})
        self.assertIn("kept", strict)
        annotations = open_layout(self.path("strict")).manifest["annotations"]
        self.assertEqual(annotations["io.imgbuild.repro"], "strict 1")
        # The step after it sees what the image has, and neither way takes the other's results.
        self.build("--repro=strict", "--require-cached", files)
        self.build("--require-cached", files)
        with tempfile.TemporaryDirectory(dir=self.folder) as out:
            self.build("--repro=strict", "-o", f"type=local,dest={out}", files)
            with open(os.path.join(out, "list"), encoding="ascii") as file:
                self.assertNotIn("machine-id", file.read())

    @staticmethod
    def names(layout):
        return {member.name for layer in open_layout(layout).layers()[1:] for member in layer if not member.isdir()}

    def test_packages_of_debian_are_the_same_twice(self):
        debian_tar()
        os.environ["IMGBUILD"] = PROGRAM
        rows = measure.measure(["cron and a user"], True, 1, self.folder)
        self.assertEqual({name: paths for name, (_, paths) in rows.items()}, {"cron and a user": []})

    def test_the_page_prints_the_table(self):
        with open(os.path.join(ROOT, "builder", "scrub", "scrub.cc"), encoding="utf-8") as file:
            rules = re.findall(r'ScrubRule\{"([^"]*)", "([^"]*)", "([^"]*)",\s*"([^"]*)"\}', file.read())
        self.assertGreater(len(rules), 5)
        rows = [f"| `{begins}{'*' if ends or begins.endswith('/') else ''}{ends}` | {kind} | {why} |" for begins, ends, kind, why in rules]
        with open(os.path.join(ROOT, "docs", "reproducible.md"), encoding="utf-8") as file:
            self.assertIn("| --- | --- | --- |\n" + "\n".join(rows) + "\n\n", file.read())

    def test_an_unknown_way_is_refused(self):
        self.refuse("--repro=lax", self.context({"Buildfile": "FROM scratch\n"}), status=2,
                    says=["--repro: lax: no such way", "there is strict"])


class Offline(EndToEnd):
    """What is not here is said at once, all of it, with the lines that want it."""

    BUILDFILE = """FROM oci.invalid/first:1 AS a
FROM oci.invalid/second:2
COPY --from=a / /a
COPY --from=oci.invalid/third:3 /x /x
ADD http://127.0.0.1:9/file /f
ADD http://127.0.0.1:9/repository.git#v1 /g
COPY --from=other /o /o
RUN echo "$PATH" > /p
"""

    def test_everything_that_is_missing_is_named_with_its_line(self):
        files = self.context({"Buildfile": self.BUILDFILE})
        found = self.refuse("--offline", "--build-context", "other=http://127.0.0.1:9/c.tar", files, status=3,
                            says="--offline: 6 things that the build needs are not here")
        lines = [line for line in found.stderr.splitlines() if "Buildfile:" in line]
        expected = [(1, "image oci.invalid/first:1: not in the store"), (2, "image oci.invalid/second:2: not in the store"),
                    (4, "image oci.invalid/third:3: not in the store"), (5, "http://127.0.0.1:9/file: was not fetched before"),
                    (6, "http://127.0.0.1:9/repository.git#v1"), (7, "http://127.0.0.1:9/c.tar: was not fetched before")]
        self.assertEqual(len(lines), len(expected), found.stderr)
        for line, (number, text) in zip(lines, expected):
            self.assertIn(f"Buildfile:{number}:", line)
            self.assertIn(text, line)

    def test_what_was_brought_before_is_enough(self):
        web = self.make_folder("web")
        address, _ = serve_folder(self, web)
        repository = Repository(self, "repository", {"r": "r\n"}, web)
        with open(os.path.join(web, "file"), "w", encoding="ascii") as file:
            file.write("f\n")
        files = self.context({"Buildfile": f"FROM busybox\nADD {address}/file /f\nADD {address}/repository.git /g\nRUN cat /f /g/r\n"})
        digest = self.imgbuild("build", "-q", files).digest
        shutil.rmtree(repository.bare)
        os.unlink(os.path.join(web, "file"))
        self.assertEqual(self.imgbuild("build", "-q", "--offline", files).digest, digest)
        self.store = self.path("another-store")
        self.refuse("--offline", files, status=3, says=[f"Buildfile:2:1: {address}/file: was not fetched before", "Buildfile:3:1: git "])
