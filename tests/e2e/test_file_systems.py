# SPDX-License-Identifier: Apache-2.0
"""Stores and files on real file systems of several kinds: what goes in comes out, and full ones are no harm."""

import hashlib
import os
import stat

from support.case import EndToEnd, need_root, need_tool
from support.filesystems import mounted
from support.mounts import mount_small

CAPABILITY = bytes.fromhex("0000000200200000000000000000000000000000")
# What a command does to the files, with the tools of busybox, here and in a RUN. Of linked files only whole groups.
CHANGES = """\
rm -r gone && rm file && mkdir file && echo in > file/in && rm -r folder && echo now-a-file > folder
rm -r emptied && mkdir emptied && echo new > emptied/new && rm d/hard2 && ln hard1 d/hard3
chmod 4711 mode && chown 3000000:70000 owner && mv name renamed && ln -s nowhere link2 && mkfifo pipe2 && touch .wh
"""


def look(folder):
    """All that a tree keeps of each path below a folder, times aside."""
    found = {}
    names = {}
    for place, folders, files in os.walk(folder.encode()):
        for name in folders + files:
            full = os.path.join(place, name)
            path = os.path.relpath(full, folder.encode())
            status = os.lstat(full)
            content = os.readlink(full) if stat.S_ISLNK(status.st_mode) else b""
            if stat.S_ISREG(status.st_mode):
                names.setdefault(status.st_ino, []).append(path)
                with open(full, "rb") as file:
                    content = hashlib.sha256(file.read()).hexdigest()
            xattrs = {} if stat.S_ISLNK(status.st_mode) else {
                key: os.getxattr(full, key) for key in os.listxattr(full)
                if key == "security.capability" or key.startswith("user.k")}
            found[path] = (oct(status.st_mode), status.st_uid, status.st_gid, status.st_rdev, content, xattrs)
    return found, sorted(sorted(group) for group in names.values() if len(group) > 1)


def times(folder):
    return {os.path.relpath(os.path.join(place, name), folder): os.lstat(os.path.join(place, name)).st_mtime_ns
            for place, folders, files in os.walk(folder) for name in folders + files}


class FileSystems(EndToEnd):
    """Everything of one case lies on one file system: the files, the store, and what comes out."""

    def write_files(self, folder):
        os.mkdir(folder)

        def file(name, data=b"x", mode=0o644):
            path = os.path.join(folder.encode(), name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as out:
                out.write(data)
            os.chmod(path, mode)
            return path
        for name in (b"gone/a/b", b"file", b"folder/a", b"emptied/old", b"mode", b"owner", b"name", b"d/new\nline",
                     b"d/\xff\xfe", b"d/.wh", b"d/..wh.x", b"n" * 255, b"/".join([b"deep" * 50] * 15) + b"/f"):
            file(name)
        os.link(file(b"hard1", b"linked"), os.path.join(folder, "d/hard2"))
        with open(file(b"sparse", b""), "r+b") as out:
            out.seek(3 << 20)
            out.write(b"behind a hole")
            out.truncate(9 << 20)
        os.setxattr(file(b"capable", mode=0o755), "security.capability", CAPABILITY)
        os.setxattr(file(b"attributes"), "user.k", b"\0value\xff")
        os.setxattr(file(b"more"), "trusted.private", b"left out")
        os.chown(file(b"large-owner"), (1 << 21) + 5, (1 << 32) - 2)
        os.mkfifo(os.path.join(folder, "pipe"))
        os.mknod(os.path.join(folder, "null"), 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.symlink("d", os.path.join(folder, "link"))
        os.chmod(os.path.join(folder, "d"), 0o3710)
        for number, name in enumerate(("file", "d", "pipe", "sparse")):
            os.utime(os.path.join(folder, name), ns=(0, number * 2_000_000_000_123_456_789 + 1))

    def round_trips(self, kind):
        need_root()
        need_tool("busybox")
        with mounted(kind) as place:
            self.store = os.path.join(place, "store")
            source, copy, out = (os.path.join(place, name) for name in ("source", "copy", "out"))
            self.write_files(source)
            context = self.context({"Buildfile": f"FROM busybox\nADD source.tar /t/\nWORKDIR /t\nRUN {self.one_line()}\n"})
            self.command("tar", "-C", source, "--format=posix", "--xattrs", "--xattrs-include=*", "-cf",
                         os.path.join(context, "source.tar"), ".")

            self.imgbuild("import", os.path.join(context, "source.tar"), "imported:1")
            self.context({"Buildfile": "FROM imported:1\n"}, "plain")
            self.build("--offline", "-o", f"type=local,dest={out}", self.path("plain"))
            self.assertEqual(look(out), look(source))
            self.assertEqual(times(out), times(source))
            self.assertLess(os.stat(os.path.join(out, "sparse")).st_blocks * 512, 2 << 20)
            if kind == "overlay":  # no overlay may stand on one: commands need the store elsewhere
                self.assert_store_is_sound()
                return

            self.command("cp", "-a", source, copy)
            self.command("busybox", "sh", "-c", CHANGES, cwd=copy)
            self.build("-t", "changed:1", "-o", f"type=local,dest={out}2", context)
            self.assertEqual(look(out + "2/t"), look(copy))
            self.assert_store_is_sound()

    @staticmethod
    def one_line():
        return " && ".join(CHANGES.strip().splitlines())

    def test_ext4(self):
        self.round_trips("ext4")

    def test_xfs(self):
        self.round_trips("xfs")

    def test_btrfs(self):
        self.round_trips("btrfs")

    def test_tmpfs(self):
        self.round_trips("tmpfs")

    def test_overlay(self):
        self.round_trips("overlay")


class FullFileSystems(EndToEnd):
    def test_a_disk_without_inodes_says_so_and_goes_on_when_there_are_some(self):
        mount_small(self, self.make_folder("store"), "64m,nr_inodes=120")
        files = self.context({"Buildfile": "FROM scratch\nCOPY data /data\n", "many": "FROM busybox\nRUN mkdir /many && cd /many "
                              "&& for i in $(seq 400); do echo $i > $i; done\n", "data/a": "alpha\n"})
        self.build("-t", "kept:1", files)
        result = self.build("-f", os.path.join(files, "many"), files, status=None)
        self.assertIn(result.status, (1, 6))
        self.assertIn("No space left", result.stderr)
        self.assert_store_is_sound()
        self.imgbuild("inspect", "kept:1")
        # Pruning works on a full disk, too.
        self.imgbuild("prune", "--all")
        self.build("-t", "kept:2", files)

    def test_a_disk_of_ext4_that_is_full(self):
        need_root()
        with mounted("ext4", 24 << 20, ["-N", "300"]) as place:
            self.store = os.path.join(place, "store")
            files = self.context({"Buildfile": "FROM scratch\nCOPY big /\n", "small": "FROM scratch\nCOPY small /\n",
                                  "big": os.urandom(30 << 20)})
            self.refuse("-t", "app:1", files, status=6, says="No space left")
            self.imgbuild("prune", "--all")
            self.build("-t", "app:1", "-f", os.path.join(files, "small"), files)

    def test_a_store_on_an_overlay_names_the_option_that_puts_it_elsewhere(self):
        need_root()
        with mounted("overlay") as place:
            self.store = os.path.join(place, "store")
            context = self.context({"Buildfile": "FROM busybox\nRUN echo built > /x\n"})
            self.refuse("--root-mode=root", context, status=6, says="the store lies on an overlay file system")
            self.assertIn("--store DIR (or IMGBUILD_STORE) on another file system", self.imgbuild("doctor").stdout)
            said = self.build("-o", f"type=local,dest={self.path('out')}", context).stderr
            self.assertIn("a chroot only", said)
            with open(self.path("out", "x"), encoding="ascii") as file:
                self.assertEqual(file.read(), "built\n")
