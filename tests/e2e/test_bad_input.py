# SPDX-License-Identifier: Apache-2.0
"""What a user can get wrong: the message, the exit code, and a store that is still sound."""

import io
import os
import re
import tarfile

from support.case import EndToEnd, Link


class BadInput(EndToEnd):
    def test_a_missing_buildfile_names_where_it_was_looked_for(self):
        files = self.context({"a": "alpha\n"})
        self.refuse(files, status=2, says=["Buildfile", files])

    def test_a_file_that_was_named_and_is_not_there(self):
        self.refuse("-f", self.path("none"), self.context({}), status=2, says=self.path("none"))

    def test_a_missing_context(self):
        self.refuse(self.path("nowhere"), status=2, says=self.path("nowhere"))

    def test_a_base_that_does_not_exist(self):
        files = self.context({"Buildfile": "FROM oci.invalid/none:1\n"})
        self.refuse("--offline", files, status=3, says="oci.invalid/none:1")

    def test_an_unknown_instruction_with_the_place_and_a_suggestion(self):
        files = self.context({"Buildfile": "FROM busybox\nCOPPY a /a\n"})
        self.refuse(files, status=2, says=["unknown instruction: COPPY", "COPY", "Buildfile:2"])

    def test_all_errors_of_a_file_in_one_go(self):
        files = self.context({"Buildfile": "FROM busybox\nCOPPY a /a\nWORKDIR\nRNU true\n"})
        self.refuse(files, status=2, says=["COPPY", "WORKDIR", "RNU"])

    def test_an_empty_buildfile(self):
        self.refuse(self.context({"Buildfile": ""}), status=2, says="Buildfile")

    def test_a_step_that_fails_shows_its_last_lines_its_status_and_its_log(self):
        script = "i=0; while [ $i -lt 50 ]; do echo line-$i; i=$((i+1)); done; echo gone-wrong >&2; exit 7"
        files = self.context({"Buildfile": f"FROM busybox\nRUN {script}\n"})
        result = self.imgbuild("build", "--progress=quiet", files, status=1)
        self.assertIn("7", result.stderr)
        self.assertIn("Buildfile:2", result.stderr)
        self.assertIn("gone-wrong", result.stderr)
        self.assertIn("line-49", result.stderr)
        logs = [path for path in re.findall(r"(/\S+?)[,.]?(?=\s|$)", result.stderr) if os.path.isfile(path)
                and path.startswith(self.folder) and not path.endswith("Buildfile")]
        self.assertTrue(logs, f"no path of a log in:\n{result.stderr}")
        with open(logs[-1], encoding="utf-8") as log:
            text = log.read()
        self.assertIn("line-0\n", text)
        self.assertIn("gone-wrong\n", text)
        self.assert_store_is_sound()

    def test_a_command_that_does_not_exist(self):
        files = self.context({"Buildfile": "FROM busybox\nRUN [\"/no/such/program\"]\n"})
        self.refuse(files, status=1, says="/no/such/program")

    def test_a_source_that_does_not_exist_names_the_context(self):
        files = self.context({"Buildfile": "FROM busybox\nCOPY nothing /x\n", "a": "alpha\n"})
        self.refuse(files, status=2, says=["nothing", files, "Buildfile:2"])

    def test_a_source_that_an_ignore_rule_hides_names_the_rule(self):
        files = self.context({"Buildfile": "FROM busybox\nCOPY notes.md /x\n", "notes.md": "x\n",
                              ".dockerignore": "# nothing\n*.md\n"})
        self.refuse(files, status=2, says=["notes.md", ".dockerignore:2", "*.md"])

    def test_a_source_that_is_missing_in_a_stage(self):
        files = self.context({"Buildfile": "FROM busybox AS one\nFROM busybox\nCOPY --from=one /nothing /x\n"})
        self.refuse(files, status=2, says=["/nothing", "one"])

    def test_a_stage_that_does_not_exist(self):
        files = self.context({"Buildfile": "FROM busybox AS compile\nFROM busybox\nCOPY --from=9 /a /a\n"})
        self.refuse(files, status=2, says="9")

    def test_a_source_never_leaves_the_context(self):
        outside = self.path("outside")
        with open(outside, "w", encoding="ascii") as file:
            file.write("outside\n")
        files = self.context({"Buildfile": "FROM busybox\nCOPY ../outside /x\n"})
        self.refuse(files, status=2, says="outside")

    def test_a_loop_of_links_at_a_destination(self):
        files = self.context({"Buildfile": "FROM busybox\nCOPY tree /\nCOPY a /loop/x/\n", "a": "alpha\n",
                              "tree/loop": Link("/back"), "tree/back": Link("loop")})
        self.refuse(files, status=2, says=["Buildfile:3", "COPY a /loop/x/", "/loop", "too many levels of symbolic links"])
        with open(os.path.join(files, "Buildfile"), "w", encoding="ascii") as file:
            file.write("FROM busybox\nCOPY tree /\nRUN --mount=source=/tree/loop,target=/m true\n")
        self.refuse(files, status=2, says=["Buildfile:3", "/tree/loop", "no such file or directory"])

    def test_an_archive_that_must_not_get_into_an_image(self):
        for name, what in (("../../x", "../../x"), (".wh.x", ".wh.x")):
            with tarfile.open(self.path("bad.tar"), "w") as tar:
                tar.addfile(tarfile.TarInfo(name), io.BytesIO())
            with open(self.path("bad.tar"), "rb") as file:
                files = self.context({"Buildfile": "FROM busybox\nLABEL a=b\nADD bad.tar /d/\n", "bad.tar": file.read()})
            self.refuse(files, status=2, says=["Buildfile:3", "ADD bad.tar /d/", "bad.tar: ", what, "--unpack=false"])
            with open(os.path.join(files, "Buildfile"), "w", encoding="ascii") as file:
                file.write("FROM busybox\nADD --unpack=false bad.tar /d/\n")
            self.build(files)

    def test_an_archive_that_ends_too_early(self):
        with tarfile.open(self.path("short.tgz"), "w:gz") as tar:
            member = tarfile.TarInfo("a")
            member.size = 100000
            tar.addfile(member, io.BytesIO(os.urandom(100000)))
        with open(self.path("short.tgz"), "rb") as file:
            files = self.context({"Buildfile": "FROM busybox\nADD short.tgz /d/\n", "short.tgz": file.read()[:50000]})
        self.refuse(files, status=2, says=["Buildfile:2", "short.tgz: "])

    def test_an_archive_that_is_no_root_filesystem(self):
        path = self.path("rootfs.tar")
        with open(path, "wb") as file:
            file.write(b"this is no archive" * 100)
        result = self.imgbuild("import", path, "broken:1", status=6)
        self.assertIn(path, result.stderr)
        self.assertNotIn("broken", self.imgbuild("images").stdout)
        self.assert_store_is_sound()

    def test_a_rotten_blob_is_found(self):
        files = self.context({"Buildfile": "FROM busybox\nCOPY a /a\n", "a": "alpha\n" * 1000})
        self.build("-t", "app:1", files)
        folder = os.path.join(self.store, "blobs", "sha256")
        largest = max(os.listdir(folder), key=lambda name: os.path.getsize(os.path.join(folder, name)))
        path = os.path.join(folder, largest)
        os.chmod(path, 0o644)
        with open(path, "r+b") as blob:
            blob.seek(100)
            byte = blob.read(1)
            blob.seek(100)
            blob.write(bytes([byte[0] ^ 1]))
        result = self.imgbuild("fsck", status=None)
        self.assertNotEqual(result.status, 0)
        self.assertIn(largest, result.stdout + result.stderr)

    def test_an_output_that_cannot_be_written(self):
        files = self.context({"Buildfile": "FROM busybox\n"})
        result = self.build("-o", f"type=oci,dest={self.path('none', 'there', 'x.tar')}", files, status=None)
        self.assertNotEqual(result.status, 0)
        self.assertIn("there", result.stderr)
        self.assert_store_is_sound()
