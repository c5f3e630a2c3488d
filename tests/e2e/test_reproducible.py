# SPDX-License-Identifier: Apache-2.0
"""The same input gives the same manifest digest, wherever and however it is built."""

import os
import shutil

from support.case import ROOT, EndToEnd
from support.oci import open_layout
from support.user import become_ordinary_user

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
