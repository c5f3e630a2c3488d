# SPDX-License-Identifier: Apache-2.0
"""Contexts of every kind, and what ADD brings from elsewhere: tars, web servers, repositories, all on loopback."""

import json
import os
import signal
import socket
import subprocess
import tarfile
import time

from support.archives import tar_of
from support.case import File, Link, PROGRAM, EndToEnd, need_tool, write_tree
from support.git import Repository
from support.oci import open_layout
from support.registry import free_port
from support.tree import tree_of_image
from support.web import serve_folder

COPY_ALL = "FROM scratch\nCOPY . /c/\n"


class Contexts(EndToEnd):
    def paths(self, *arguments, **options):
        """Builds and gives the paths of the image's files, without directories."""
        layout = self.export(f"layout{len(os.listdir(self.folder))}", *arguments, **options)
        return {path for path, entry in tree_of_image(open_layout(layout)).items() if entry.kind != "directory"}

    def feed(self, data, *arguments, status=0):
        """A build with bytes on standard input."""
        done = subprocess.run([PROGRAM, "build", "--progress=plain", *arguments], input=data, env=self.environment(),
                              cwd=self.folder, capture_output=True, timeout=120, check=False)
        self.assertEqual(done.returncode, status, done.stderr.decode())
        return done.stderr.decode()

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)


class Archives(Contexts):
    def test_a_tar_of_any_compression_on_standard_input(self):
        tree = {"Buildfile": COPY_ALL, "a": "alpha\n", "d/b": "beta\n"}
        digests = set()
        for mode in ("w", "w:gz", "w:bz2", "w:xz"):
            self.feed(tar_of(tree, mode), "--iidfile", self.path("id"), "-")
            with open(self.path("id"), encoding="ascii") as file:
                digests.add(file.read())
        self.assertEqual(len(digests), 1)

    def test_a_buildfile_on_standard_input_has_no_context(self):
        self.feed(b"FROM scratch\nCOPY <<EOF /a\nx\nEOF\n", "-")
        self.assertIn("no such file", self.feed(COPY_ALL.replace(".", "a").encode(), "-", status=2))
        self.assertIn("the Buildfile is on standard input", self.feed(b"FROM scratch\n", "-f", "x", "-", status=2))

    def test_a_buildfile_on_standard_input_with_a_directory(self):
        files = self.context({"a": "alpha\n", "b": "beta\n", ".dockerignore": "b\n"})
        self.feed(b"FROM scratch\nCOPY . /\n", "-f", "-", "-o", f"type=oci,tar=false,dest={self.path('l')}", files)
        self.assertEqual(set(tree_of_image(open_layout(self.path("l")))), {"a", ".dockerignore"})

    def test_a_tar_file_as_context_belongs_to_root_and_needs_no_unpacking_twice(self):
        tar = self.write("c.tar", tar_of({"My.file": COPY_ALL, ".dockerignore": "a\n", "a": "alpha\n"}))
        layout = self.export("layout", "-f", "My.file", tar)
        tree = tree_of_image(open_layout(layout))
        self.assertEqual({path for path in tree if path != "c"}, {"c/My.file", "c/.dockerignore", "c/a"})
        self.assertEqual((tree["c/a"].uid, tree["c/a"].gid), (0, 0))
        again = self.build("-f", "My.file", tar)
        self.assertEqual(again.cached_steps, 1)
        self.assertIn("as before", again.stderr)
        self.assert_store_is_sound()

    def test_a_buildfile_of_this_machine_with_a_tar(self):
        tar = self.write("c.tar", tar_of({"a": "alpha\n"}))
        local = self.write("B", COPY_ALL.encode())
        self.assertEqual(self.paths("-f", local, tar), {"c/a"})
        self.refuse("-f", "B", tar, status=2, says="B: no such file in")

    def test_hostile_archives_are_refused(self):
        def renamed(entry):
            entry.name = "../" + entry.name if entry.name == "evil" else entry.name
        tar = self.write("c.tar", tar_of({"Buildfile": COPY_ALL, "evil": "x"}, member=renamed))
        self.refuse(tar, status=2, says="evil")
        self.assertFalse(os.path.exists(self.path("evil")))
        whole = tar_of({"Buildfile": COPY_ALL, "a": "x" * 100_000}, "w:gz")
        self.refuse(self.write("cut.tgz", whole[:len(whole) // 2]), status=2, says="cut.tgz")
        self.refuse(self.write("text", b"FROM scratch\n"), status=2, says="neither a directory nor a tar")

    def test_a_link_of_an_archive_reaches_no_file_of_this_machine(self):
        secret = self.write("secret", b"of the host\n")

        def linked(entry):
            if entry.name.startswith("l"):
                entry.type, entry.size = tarfile.SYMTYPE, 0
                entry.linkname = secret if entry.name == "l1" else "../" * 20 + secret[1:]
        for name in ("l1", "l2"):
            tar = self.write("c.tar", tar_of({"Buildfile": f"FROM scratch\nCOPY {name} /x\n", name: ""}, member=linked))
            self.refuse(tar, status=2, says="no such file")

    def test_a_named_context_that_is_a_tar(self):
        tar = self.write("o.tar", tar_of({"f": "other\n"}, "w:gz"))
        files = self.context({"Buildfile": "FROM scratch\nCOPY --from=other f /x\n"})
        self.assertEqual(self.paths("--build-context", f"other={tar}", files), {"x"})

    def test_a_base_that_is_a_tar(self):
        tar = self.write("o.tar", tar_of({"f": "other\n"}))
        files = self.context({"Buildfile": "FROM base\nCOPY a /\n", "a": "alpha\n"})
        self.assertEqual(self.paths("--build-context", f"base={tar}", files), {"f", "a"})


class Web(Contexts):
    def setUp(self):
        super().setUp()
        self.web = self.make_folder("web")
        self.address, self.requests = serve_folder(self, self.web)

    def test_a_tar_from_a_web_server(self):
        self.write("web/c.tgz", tar_of({"Buildfile": COPY_ALL, "My.file": "FROM scratch\nCOPY a /only\n", "a": "alpha\n"}, "w:gz"))
        self.assertEqual(self.paths(f"{self.address}/c.tgz"), {"c/Buildfile", "c/My.file", "c/a"})
        self.assertEqual(self.paths("-f", "My.file", f"{self.address}/c.tgz"), {"only"})
        self.assertIn("as before", self.build(f"{self.address}/c.tgz").stderr)
        self.build("--offline", f"{self.address}/c.tgz")

    def test_a_buildfile_from_a_web_server(self):
        self.write("web/any.name", b"FROM scratch\nCOPY any.name /x\n")
        self.assertEqual(self.paths("-f", "whatever", f"{self.address}/any.name"), {"x"})
        files = self.context({"a": "alpha\n"})
        self.write("web/B", b"FROM scratch\nCOPY a /\n")
        self.assertEqual(self.paths("-f", f"{self.address}/B", files), {"a"})

    def test_a_named_context_from_a_web_server_is_fetched_only_when_needed(self):
        self.write("web/o.tar", tar_of({"f": "other\n"}))
        files = self.context({"Buildfile": "FROM scratch AS unused\nCOPY --from=other f /x\nFROM scratch\nCOPY a /\n", "a": ""})
        named = ("--build-context", f"other={self.address}/o.tar")
        self.assertEqual(self.paths(*named, files), {"a"})
        self.assertEqual(self.requests, [])
        self.assertEqual(self.paths(*named, "--target", "unused", files), {"x"})

    def test_add_asks_whether_a_file_changed(self):
        self.write("web/f", b"one\n")
        os.utime(self.path("web/f"), (1_700_000_000, 1_700_000_000))
        files = self.context({"Buildfile": f"FROM scratch\nADD {self.address}/f /f\n"})
        self.build(files)
        self.assertEqual(self.build(files).cached_steps, 1)
        self.assertIn("If-Modified-Since", self.requests[-1][1])
        self.write("web/f", b"two2\n")
        os.utime(self.path("web/f"), (1_700_000_100, 1_700_000_100))
        self.assertEqual(self.build(files).cached_steps, 0)

    def test_a_server_that_is_not_there(self):
        self.refuse("http://127.0.0.1:1/c.tar", status=3, says="127.0.0.1:1")
        self.refuse(f"{self.address}/none.tar", status=3, says="not found")
        self.refuse("--offline", f"{self.address}/other.tar", status=3, says="was not fetched before")


class Git(Contexts):
    TREE = {"Buildfile": COPY_ALL, "a": "alpha\n", "run": File(b"#!/bin/sh\n", 0o755), "sub/Buildfile": COPY_ALL,
            "sub/b": "beta\n", "link": Link("../../../etc")}

    def setUp(self):
        super().setUp()
        self.web = self.make_folder("web")
        self.address, self.requests = serve_folder(self, self.web)
        self.repository = Repository(self, "r", self.TREE, self.web)
        self.url = f"{self.address}/r.git"

    def test_a_repository_as_context(self):
        paths = {"c/Buildfile", "c/a", "c/run", "c/sub/Buildfile", "c/sub/b", "c/link"}
        self.assertEqual(self.paths(self.url), paths)
        self.assertEqual(self.paths(f"{self.url}#:sub"), {"c/Buildfile", "c/b"})
        self.assertEqual(self.paths(f"file://{self.repository.bare}#main"), paths)
        second = self.repository.commit({"new": "x\n"}, tag="v2")
        self.assertEqual(self.paths(f"{self.url}#{self.repository.first}"), paths)
        self.assertEqual(self.paths(f"{self.url}?tag=v2&checksum={second[:8]}"), paths | {"c/new"})
        self.refuse(f"{self.url}?checksum={self.repository.first}", status=3, says="checksum mismatch")
        self.refuse(f"{self.url}#none", status=3, says="no branch or tag none")
        self.assert_store_is_sound()

    def test_a_commit_that_is_here_is_not_fetched_again(self):
        self.build(self.url)
        asked = len(self.requests)
        again = self.build(f"{self.url}#{self.repository.first}")
        self.assertEqual(len(self.requests), asked)
        self.assertEqual(again.cached_steps, 1)
        self.build("--offline", self.url)
        self.assertEqual(len(self.requests), asked)
        self.repository.commit({"a": "changed\n"})
        self.assertEqual(self.build(self.url).cached_steps, 0)

    def test_add_of_a_repository(self):
        files = self.context({"Buildfile": f"FROM scratch\nARG REF=main\nADD {self.url}#${{REF}}:sub /s/\n"
                                           f"ADD --keep-git-dir=true --chown=7:8 {self.url} /k/\n"})
        tree = tree_of_image(open_layout(self.export("layout", files)))
        self.assertEqual({path for path in tree if path.startswith("s/")}, {"s/Buildfile", "s/b"})
        self.assertIn("k/.git/HEAD", tree)
        self.assertEqual((tree["k/a"].uid, tree["k/a"].gid, tree["k/a"].mode), (7, 8, 0o644))
        self.assertEqual(tree["k/run"].mode, 0o755)
        self.assertEqual(self.build(files).cached_steps, 2)

    def test_checksums_and_flags_that_disagree(self):
        good = self.context({"Buildfile": f"FROM scratch\nADD --checksum={self.repository.first} {self.url} /\n"})
        self.build(good)
        bad = self.context({"Buildfile": f"FROM scratch\nADD --checksum={'0' * 40} {self.url} /\n"}, "bad")
        self.refuse(bad, status=3, says="checksum mismatch")
        for query, flag, says in (("?keep-git-dir=true", "--keep-git-dir=false", "inconsistent keep-git-dir"),
                                  ("?checksum=ab", "--checksum=cd", "checksum mismatch"),
                                  ("?bogus=1", "", 'unexpected query "bogus"'),
                                  ("#main:../../etc", "", "leaves the repository"),
                                  ("#--upload-pack=/bin/sh", "", "no name of a branch")):
            files = self.context({"Buildfile": f"FROM scratch\nADD {flag} {self.url}{query} /\n"}, "flags")
            self.refuse(files, status=2, says=says)

    def test_a_kept_repository_is_clean(self):
        files = self.context({"Buildfile": f"FROM scratch\nADD --keep-git-dir=true {self.url} /\n"})
        self.build("-o", f"type=local,dest={self.path('out')}", files)
        self.assertEqual(self.repository.git("status", "--porcelain", cwd=self.path("out")), "")
        self.assertEqual(self.repository.git("rev-parse", "HEAD", cwd=self.path("out")), self.repository.first)

    def test_submodules_come_with_it_or_not(self):
        Repository(self, "inner", {"i": "inner\n"}, self.web)
        self.repository.git("submodule", "--quiet", "add", f"{self.address}/inner.git", "mod")
        self.repository.commit({"z": "z\n"})
        self.assertIn("c/mod/i", self.paths(self.url))
        self.assertNotIn("c/mod/.git", self.paths(self.url))
        self.assertNotIn("c/mod/i", self.paths(f"{self.url}?submodules=false"))

    def test_nothing_of_the_users_git_counts(self):
        hooks = write_tree(self.make_folder("hooks"), {"post-checkout": File(b"#!/bin/sh\ntouch $0.ran\n", 0o755)})
        with open(os.path.join(self.home, ".gitconfig"), "w", encoding="utf-8") as file:
            file.write(f'[core]\n\thooksPath = {hooks}\n[url "file:///nowhere/"]\n\tinsteadOf = http://\n')
        self.build(self.url)
        self.assertEqual(os.listdir(hooks), ["post-checkout"])

    def test_a_password_in_the_address_is_refused_and_not_shown(self):
        url = self.url.replace("http://", "http://me:s3cret@")
        for arguments in ((url,), (self.context({"Buildfile": f"FROM scratch\nADD {url} /\n"}),)):
            result = self.refuse(*arguments, status=2, says="holds a name or a password")
            if arguments == (url,):
                self.assertNotIn("s3cret", result.stderr)

    def test_a_repository_as_a_named_context(self):
        files = self.context({"Buildfile": "FROM scratch\nCOPY --from=src a /x\n"})
        self.assertEqual(self.paths("--build-context", f"src={self.url}#main", files), {"x"})


class GitOtherWays(Contexts):
    """The protocols that no plain web server speaks."""

    def setUp(self):
        super().setUp()
        self.served = self.make_folder("served")
        self.repository = Repository(self, "r", {"Buildfile": COPY_ALL, "a": "alpha\n"}, self.served)

    def test_a_git_daemon(self):
        daemon = os.path.join(self.repository.git("--exec-path"), "git-daemon")
        need_tool(daemon)
        port = free_port()
        process = subprocess.Popen([daemon, "--export-all", f"--base-path={self.served}", "--listen=127.0.0.1",
                                    f"--port={port}", "--reuseaddr"], env=self.environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.wait_for_port(port)
        self.assertEqual(self.paths(f"git://127.0.0.1:{port}/r.git#main"), {"c/Buildfile", "c/a"})

    def wait_for_port(self, port):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        self.fail(f"nobody listens at port {port}")

    def test_ssh_gets_an_agent_and_no_configuration(self):
        tools = write_tree(self.make_folder("tools"), {"ssh": File(
            b'#!/bin/sh\necho "$SSH_AUTH_SOCK $*" > "$TOOLS/asked"\nfor last; do :; done\nexec sh -c "$last"\n', 0o755)})
        with open(os.path.join(tools, "ssh"), "r+", encoding="ascii") as file:
            script = file.read().replace("$TOOLS", tools)
            file.seek(0)
            file.write(script)
        env = {"PATH": f"{tools}:{os.environ['PATH']}"}
        url = f"git@nowhere.example:{self.repository.bare}"
        self.build("--ssh", "default=/agent.sock", url, env=env)
        with open(os.path.join(tools, "asked"), encoding="ascii") as file:
            asked = file.read()
        self.assertTrue(asked.startswith("/agent.sock -F /dev/null "), asked)
        self.assertIn("-oBatchMode=yes", asked)
        self.assertIn("-oStrictHostKeyChecking=yes", asked)

    def test_what_git_started_ends_with_the_build(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"http://127.0.0.1:{silent.getsockname()[1]}"
            process = self.start("build", f"{address}/r.git")
            silent.settimeout(30)
            connection, _ = silent.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                self.finish(process, status=130, limit=20)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.is_running(address):
            time.sleep(0.05)
        self.assertFalse(self.is_running(address))

    @staticmethod
    def is_running(word):
        for process in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{process}/cmdline", "rb") as file:
                    if word.encode() in file.read():
                        return True
            except OSError:
                continue
        return False


class Stages(Contexts):
    def test_a_context_may_stand_for_a_stage(self):
        files = self.context({"Buildfile": "FROM scratch AS one\nCOPY a /a\nFROM scratch AS two\nCOPY b /b\n"
                                           "FROM base\nCOPY --from=two b /c\n", "a": "a\n", "b": "b\n"})
        self.assertEqual(self.paths("--build-context", "base=target:one", files), {"a", "c"})
        self.refuse("--build-context", "base=target:none", files, status=2, says="no such stage")

    def test_a_stage_never_waits_for_itself(self):
        files = self.context({"Buildfile": "FROM base AS one\nFROM scratch AS two\n"})
        self.refuse("--build-context", "base=target:two", "--target", "one", files, status=2, says="does not stand above")


class Listing(Contexts):
    def test_what_is_in_a_context_and_which_rule_leaves_the_rest_out(self):
        files = self.context({"a": "alpha\n", "b.log": "x", "d/c": "gamma", ".dockerignore": "# logs\n*.log\nd\n",
                              "B": "FROM scratch\n", "B.dockerignore": "a\n"})
        listed = json.loads(self.imgbuild("context", "ls", "--format=json", files).stdout)
        entries = {entry["path"]: entry for entry in listed["entries"]}
        self.assertEqual(entries["a"], {"path": "a", "kind": "file", "included": True, "size": 6})
        self.assertEqual(entries["b.log"], {"path": "b.log", "kind": "file", "included": False, "size": 1,
                                            "ignoreFile": ".dockerignore", "line": 2, "rule": "*.log"})
        self.assertEqual(entries["d"]["line"], 3)
        self.assertNotIn("d/c", entries)
        self.assertEqual(listed["files"], 4)
        table = self.imgbuild("context", "ls", cwd=files).stdout
        self.assertIn(".dockerignore:2: *.log", table)
        self.assertIn("2 paths left out", table)
        own = self.imgbuild("context", "ls", "-f", os.path.join(files, "B"), files).stdout
        self.assertIn("B.dockerignore:1: a", own)

    def test_a_tar_is_listed_as_well(self):
        tar = self.write("c.tar", tar_of({"a": "alpha\n"}))
        self.assertIn("1 file, 6 B in the context", self.imgbuild("context", "ls", tar).stdout)
