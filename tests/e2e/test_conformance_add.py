# SPDX-License-Identifier: Apache-2.0
"""ADD as other builders have it: from the web, of archives, of repositories (docs/conformance.md, 11.1 and 11.2)."""

import os
import tarfile

from support.archives import tar_of
from support.case import write_tree
from support.git import Repository
from support.language import Language
from support.oci import sha256
from support.web import serve_folder


class Add(Language):
    """11.1"""

    def setUp(self):
        super().setUp()
        self.web = self.make_folder("web")
        self.address, self.requests = serve_folder(self, self.web)

    def test_a_file_from_the_web_is_named_by_its_path_and_asked_for_by_version(self):
        write_tree(self.web, {"dir/f": "of the web\n", "index.html": "the root\n"})
        files = self.source(f"FROM scratch\nADD {self.address}/dir/f /d/\nADD {self.address}/dir/f?x=1#y /e/\n"
                            f"ADD {self.address}/dir/f /g\n")
        built = self.files_of(files)
        self.assertEqual([built["d/f"], built["e/f"], built["g"]], ["of the web\n"] * 3)
        self.assertEqual(built.mode("d/f"), 0o600)
        asked = len(self.requests)
        self.assertEqual(self.build(files).cached_steps, 3)
        self.assertGreater(len(self.requests), asked)
        for _, headers in self.requests[asked:]:
            self.assertIn("If-Modified-Since", headers)

    def test_a_url_without_a_path_has_a_name_of_its_own(self):
        write_tree(self.web, {"index.html": "the root\n"})
        built = self.files(f"FROM scratch\nADD {self.address}/ /d/\nADD {self.address} /e/\n")
        self.assertEqual(built["d/__unnamed__"] + built["e/__unnamed__"], "the root\nthe root\n")

    def test_local_archives_are_unpacked_and_those_of_the_web_only_on_request(self):
        plain, packed = tar_of({"in/plain": "p\n"}), tar_of({"in/packed": "g\n"}, "w:gz")
        write_tree(self.web, {"w.tar": plain, "w.tgz": packed})
        built = self.files(
            f"FROM scratch\nADD p.tar g.tar.gz /a/\nADD --unpack=false p.tar g.tar.gz /b/\n"
            f"ADD {self.address}/w.tar {self.address}/w.tgz /c/\nADD --unpack=true {self.address}/w.tar /d/\n"
            f"ADD --unpack {self.address}/w.tgz /d/\n", {"p.tar": plain, "g.tar.gz": packed})
        self.assertEqual((built["a/in/plain"], built["a/in/packed"]), ("p\n", "g\n"))
        self.assertEqual(built.names("a"), {"in"})
        self.assertEqual(built.names("b"), {"p.tar", "g.tar.gz"})
        self.assertEqual(built.names("c"), {"w.tar", "w.tgz"})
        self.assertEqual(built.names("d/in"), {"plain", "packed"})

    def test_directories_that_an_archive_does_not_list_are_made(self):
        built = self.files("FROM scratch\nADD a.tar /\n", {"a.tar": tar_of({"deep/er/est/f": "x\n"})})
        self.assertEqual(built["deep/er/est/f"], "x\n")
        self.assertEqual((built.mode("deep/er"), built.owner("deep/er")), (0o755, (0, 0)))

    def test_an_archive_goes_through_an_absolute_link_with_its_hard_links(self):
        def linked(entry):
            if entry.name == "var/run/again":
                entry.type, entry.size, entry.linkname = tarfile.LNKTYPE, 0, "var/run/one"
        archive = tar_of({"var/run/one": "x\n", "var/run/again": ""}, member=linked)
        built = self.files("FROM busybox\nRUN rm -rf /var/run && ln -s /run /var/run\nADD a.tar /\n",
                           {"a.tar": archive})
        self.assertEqual((built["run/one"], built["run/again"]), ("x\n", "x\n"))
        self.assertEqual(built.node("var/run").target, "/run")

    def test_chown_of_an_archive_is_for_its_files_and_for_the_directory_that_is_made(self):
        built = self.files("FROM scratch\nADD --chown=100:200 a.tar /new/\n", {"a.tar": tar_of({"d/f": "x\n"})})
        self.assertEqual({built.owner(path) for path in ("new", "new/d", "new/d/f")}, {(100, 200)})

    def test_a_pattern_unpacks_every_archive_that_it_matches(self):
        built = self.files("FROM scratch\nADD *.tar /dest\n",
                           {"a.tar": tar_of({"a": "a\n"}), "b.tar": tar_of({"b": "b\n"})})
        self.assertEqual(built.names("dest"), {"a", "b"})

    def test_variables_in_chown(self):
        built = self.files("FROM scratch\nENV who=1000\nARG group=33\nADD --chown=${who}:${group} f /f\n", {"f": "x\n"})
        self.assertEqual(built.owner("f"), (1000, 33))

    def test_chmod_of_a_file_from_the_web(self):
        write_tree(self.web, {"f": "x\n"})
        lines = "".join(f"ADD --chmod={mode} {self.address}/f /{name}\n"
                        for name, mode in (("a", "644"), ("b", "755"), ("c", "0413"), ("d", "$MODE")))
        built = self.files(f"FROM scratch\nARG MODE=0640\n{lines}")
        self.assertEqual([built.mode(name) for name in "abcd"], [0o644, 0o755, 0o413, 0o640])

    def test_a_mode_that_is_none(self):
        for mode in ("64a", "10000"):
            self.refused(f"FROM scratch\nADD --chmod={mode} f /f\n", tree={"f": ""}, says=
                         f"invalid chmod parameter: '{mode}'. it should be octal string and between 0 and 07777")

    def test_checksums_of_files_from_the_web(self):
        data = b"pinned\n"
        write_tree(self.web, {"f": data})
        good, url = sha256(data), f"{self.address}/f"
        built = self.files(f"FROM scratch\nENV DIGEST={good} WHERE={url}\nADD --checksum={good} {url} /a\n"
                           "ADD --checksum=${DIGEST} ${WHERE} /b\n")
        self.assertEqual(built["a"] + built["b"], "pinned\npinned\n")
        zeros = "0" * 64
        self.refused(f"FROM scratch\nADD --checksum=sha256:{zeros} {url} /a\n", "digest mismatch", status=3)
        for checksum, sources, says in (
                ("sha512:" + "0" * 128, url, "unsupported digest algorithm: sha512"),
                ("md7:00", url, "unsupported digest"),
                (good, "f", "checksum requires HTTP(S) or Git sources"),
                (good, f"{url} {url}2", "checksum can't be specified for multiple sources")):
            self.refused(f"FROM scratch\nADD --checksum={checksum} {sources} /d/\n", says, tree={"f": data})


class AddOfRepositories(Language):
    """11.2"""

    FORMAT = "sha1"

    def setUp(self):
        super().setUp()
        self.web = self.make_folder("web")
        self.address, _ = serve_folder(self, self.web)
        self.repository = Repository(self, "r", {"a": "one\n", "sub/b": "b\n"}, self.web, self.FORMAT)
        self.repository.git("tag", "-a", "-m", "x", "v1")
        self.second = self.repository.commit({"a": "second\n"}, tag="v2")
        self.url = f"{self.address}/r.git"

    def check_references(self):
        first = self.repository.first
        built = self.files(
            f"FROM scratch\nARG REF=v1\nADD {self.url}#${{REF}} /v1/\nADD {self.url}#main /main/\n"
            f"ADD {self.url}#{first} /commit/\nADD {self.url}#refs/tags/v1:sub /sub/\n"
            f"ADD --checksum={first} {self.url}#v1 /checked/\n"
            f"ADD --checksum={self.second[:12]} --keep-git-dir=true --chown=0:0 {self.url}#v2 /kept/\n")
        self.assertEqual([built[f"{name}/a"] for name in ("v1", "main", "commit", "checked", "kept")],
                         ["one\n", "second\n", "one\n", "one\n", "second\n"])
        self.assertEqual(built.names("sub"), {"b"})
        self.assertEqual(self.repository.git("status", "--porcelain", cwd=os.path.join(built.root, "kept")), "")
        self.assertEqual(self.repository.git("rev-parse", "HEAD", cwd=os.path.join(built.root, "kept")), self.second)
        wrong = first[:-1] + ("0" if first[-1] != "0" else "1")
        self.refused(f"FROM scratch\nADD --checksum={wrong} {self.url}#v1 /\n", "checksum mismatch", status=3)

    def test_tags_branches_commits_and_checksums(self):
        self.check_references()

    def test_a_checksum_that_fits_keeps_what_was_done(self):
        plain = f"FROM busybox\nADD {self.url}#v1 /r/\nRUN cat /proc/sys/kernel/random/uuid > /id\n"
        before = self.files(plain)["id"]
        with_checksum = plain.replace("ADD ", f"ADD --checksum={self.repository.first} ")
        self.assertEqual(self.files(with_checksum)["id"], before)

    def test_the_query_of_an_address_as_context_and_in_add(self):
        first = self.repository.first
        self.repository.git("branch", "side", first)
        self.repository.publish()
        good = (("?ref=v1", "one\n"), ("?tag=v1", "one\n"), ("?branch=side", "one\n"), ("?branch=main", "second\n"),
                (f"?ref=v1&checksum={first}", "one\n"), (f"?ref=v1&commit={first}", "one\n"),
                ("?tag=v1&subdir=sub", None),
                ("?ref=v2&keep-git-dir=true", "second\n"), ("?ref=v1&submodules=false", "one\n"))
        lines = "".join(f"ADD {self.url}{query} /{i}/\n" for i, (query, _) in enumerate(good))
        built = self.files(f"FROM scratch\n{lines}")
        for i, (query, text) in enumerate(good):
            self.assertEqual(built[f"{i}/a"] if text else built.names(f"{i}"), text or {"b"}, query)
        self.assertIn("7/.git", built)
        copy = self.path("Copy")
        with open(copy, "w", encoding="ascii") as file:
            file.write("FROM scratch\nCOPY . /\n")
        self.assertEqual(self.files_of("-f", copy, f"{self.url}?tag=v1")["a"], "one\n")
        for query, says in (("?bogus=1", 'unexpected query "bogus"'), ("?tag=v1&branch=main", "conflicts"),
                            ("?ref=v2&tag=v1", "conflicts"), ("?tag=v1&tag=v2", "tag"), ("?ref=", "ref"),
                            ("?ref=v1#v2", "ref"), ("?keep-git-dir=maybe", "keep-git-dir"), ("?subdir=../x", "leaves")):
            self.refused(f"FROM scratch\nADD {self.url}{query} /\n", says)
        self.assertIn('unexpected query "bogus"', self.build("-f", copy, f"{self.url}?bogus=1", status=2).stderr)


class AddOfRepositoriesWithLongHashes(AddOfRepositories):
    """11.2 and 11.12 where objects are named by SHA-256"""

    FORMAT = "sha256"

    def test_tags_branches_commits_and_checksums(self):
        self.check_references()

    def test_a_repository_as_context(self):
        copy = self.source("FROM scratch\nCOPY . /\n")
        built = self.files_of("-f", os.path.join(copy, "Buildfile"), f"{self.url}#v1")
        self.assertEqual(built["a"], "one\n")
        again = self.files_of("-f", os.path.join(copy, "Buildfile"), f"{self.url}#{self.repository.first}")
        self.assertEqual((again["a"], again.result.cached_steps), ("one\n", 1))
        self.assertEqual(self.files_of("-f", os.path.join(copy, "Buildfile"), self.url)["a"], "second\n")
