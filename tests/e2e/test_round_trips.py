# SPDX-License-Identifier: Apache-2.0
"""What becomes of files on their way from a disk through layers to a disk, and layers as the tools of others make them."""

import gzip
import io
import os
import struct
import subprocess
import tarfile

from support.case import EndToEnd, need_root, need_tool
from support.oci import open_layout
from support.tree import differences, tree_of_folder, tree_of_image, tree_of_tar


class Contents(EndToEnd):
    """Contents are what is hashed, not what stat says of them."""

    def copied(self, files):
        self.build("-o", f"type=tar,dest={self.path('out.tar')}", files)
        with tarfile.open(self.path("out.tar")) as archive:
            return archive.extractfile("install.sh").read()

    def test_files_of_two_contexts_with_one_size_and_one_time_are_told_apart(self):
        # The recipe of moby/buildkit#4950: two checkouts, whose files differ in one digit.
        for version in ("7.3", "7.4"):
            files = self.context({"Dockerfile": "FROM scratch\nCOPY install.sh .\n",
                                  "install.sh": f'#!/bin/bash\n\necho "# {version} #"\n'}, f"debian-{version}")
            self.assertIn(version.encode(), self.copied(files))

    def test_a_file_that_is_replaced_by_one_of_its_size_and_time_is_seen(self):
        files = self.context({"Dockerfile": "FROM scratch\nCOPY install.sh .\n", "install.sh": "one"})
        self.assertEqual(self.copied(files), b"one")
        self.context({"install.sh": "two"})
        self.assertEqual(self.copied(files), b"two")

    def test_what_shrinks_a_thousandfold_is_a_layer_that_everybody_reads(self):
        need_tool("zstd")
        files = self.context({"Dockerfile": "FROM scratch\nCOPY zeros /\n"})
        with open(os.path.join(files, "zeros"), "wb") as file:
            file.truncate(80 << 20)
        more = self.context({"Dockerfile": "FROM base\n"}, "more")
        for compression in ("gzip", "zstd"):
            layout = self.path(compression)
            self.build("-o", f"type=oci,tar=false,compression={compression},dest={layout}", files)
            self.assertEqual(tree_of_image(open_layout(layout))["zeros"].size, 80 << 20)
            self.build("--build-context", f"base=oci-layout://{layout}", "-o",
                       f"type=local,dest={self.path('out' + compression)}", more,
                       env={"IMGBUILD_STORE": self.path("store" + compression)})
            status = os.stat(self.path("out" + compression, "zeros"))
            self.assertEqual(status.st_size, 80 << 20)
            self.assertLess(status.st_blocks * 512, 1 << 20, "the holes are gone")


class ForeignLayers(EndToEnd):
    """Archives as other tools write them, imported, and compared with what those tools meant."""

    def setUp(self):
        super().setUp()
        need_root()
        self.source = self.context({"a": "alpha\n", "d/b": "beta\n", "d/" + "n" * 120: "long\n", "d/e/" + "p" * 250: "longest\n"})
        os.link(os.path.join(self.source, "a"), os.path.join(self.source, "d", "hard"))
        os.symlink("../a", os.path.join(self.source, "d", "link"))
        os.chown(os.path.join(self.source, "d/b"), 3_000_000, 70_000)
        os.chmod(os.path.join(self.source, "d"), 0o1750)
        os.mkfifo(os.path.join(self.source, "fifo"))

    def tar(self, *options, name="source.tar"):
        self.command("tar", "-C", self.source, *options, "-cf", self.path(name), ".")
        return self.path(name)

    def imported(self, path):
        self.imgbuild("import", path, "imported:1")
        self.imgbuild("export", "-o", self.path("out.tar"), "imported:1")
        self.assert_store_is_sound()
        return tree_of_tar(self.path("out.tar"))

    def assert_same(self, path, source=None):
        self.assertEqual(differences(self.imported(path), source or tree_of_folder(self.source)), [])

    def test_the_dialects_of_gnu_tar(self):
        with open(os.path.join(self.source, "sparse"), "wb") as file:
            file.seek(1 << 20)
            file.write(b"behind a hole")
        for options in (["--format=gnu"], ["--format=gnu", "--sparse"], ["--format=oldgnu"], ["--format=posix"],
                        ["--format=posix", "--xattrs", "--sort=name"]):
            self.assert_same(self.tar(*options))

    def test_ustar_holds_less_and_what_it_holds_is_read(self):
        os.chown(os.path.join(self.source, "d/b"), 1000, 1000)
        wanted = {path: node for path, node in tree_of_folder(self.source).items() if "nnn" not in path and "ppp" not in path}
        self.assert_same(self.tar("--format=ustar", "--exclude=nnn*", "--exclude=ppp*"), wanted)

    def test_members_and_frames_behind_each_other(self):
        need_tool("zstd")
        with open(self.tar(), "rb") as file:
            plain = file.read()
        half = len(plain) // 1024 * 512

        def zstd(data):
            return subprocess.run(["zstd", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
        skippable = struct.pack("<II", 0x184D2A53, 5) + b"notes"
        for name, data in (("multi.gz", gzip.compress(plain[:half]) + gzip.compress(b"") + gzip.compress(plain[half:])),
                           ("frames.zst", skippable + zstd(plain[:half]) + skippable + zstd(plain[half:]) + skippable)):
            with open(self.path(name), "wb") as out:
                out.write(data)
            self.assert_same(self.path(name))

    def test_a_layer_with_a_table_of_contents_in_the_end_is_read_like_any_other(self):
        # As estargz has it: each file in a gzip member of its own, then the table as a file, then a footer without data.
        with tarfile.open(self.tar()) as archive, open(self.path("estargz"), "wb") as out:
            for member in archive:
                single = io.BytesIO()
                with tarfile.open(fileobj=single, mode="w", format=tarfile.PAX_FORMAT) as part:
                    part.addfile(member, archive.extractfile(member) if member.isreg() else None)
                    size = part.offset
                out.write(gzip.compress(single.getvalue()[:size]))
            table = tarfile.TarInfo("stargz.index.json")
            table.size = 2
            last = io.BytesIO()
            with tarfile.open(fileobj=last, mode="w") as part:
                part.addfile(table, io.BytesIO(b"{}"))
            out.write(gzip.compress(last.getvalue()))
            offset = b"SG\x16\0%016xSTARGZ" % 0
            out.write(b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + struct.pack("<H", len(offset)) + offset + b"\x01\0\0\xff\xff"
                      + b"\0" * 8)
        found = self.imported(self.path("estargz"))
        self.assertEqual(found.pop("stargz.index.json").size, 2)
        self.assertEqual(differences(found, tree_of_folder(self.source)), [])
