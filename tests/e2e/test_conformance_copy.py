# SPDX-License-Identifier: Apache-2.0
"""COPY as other builders have it (docs/conformance.md, 11.8 and 11.21)."""

import os
import socket

from support.case import File, Link
from support.language import Language

UUID = "cat /proc/sys/kernel/random/uuid"


class Copy(Language):
    """11.8"""

    def test_symbolic_modes_are_those_of_chmod(self):
        modes = ("go-w", "u=rw,g=r,o=r", "a+X", "u+x,g-r,o=", "g=u", "a=rx,u+w")
        tree = {"f": File(b"x\n", 0o664), "d/sub/g": File(b"x\n", 0o640), "d/run": File(b"x\n", 0o755)}
        copies = "".join(f"COPY --chmod={mode} f /{i}/f\nCOPY --chmod={mode} d /{i}/d\n"
                         for i, mode in enumerate(modes))
        changes = " && ".join(f"umask 0 && cp -a /in /want{i} && chmod {mode} /want{i}/f && chmod -R {mode} /want{i}/d/*"
                              for i, mode in enumerate(modes))
        built = self.files(f"FROM busybox\n{copies}COPY f /in/f\nCOPY d /in/d\nRUN {changes}\n", tree)
        for i, mode in enumerate(modes):
            for path in ("f", "d/sub", "d/sub/g", "d/run"):
                self.assertEqual(oct(built.mode(f"{i}/{path}")), oct(built.mode(f"want{i}/{path}")), (mode, path))

    def test_an_empty_destination_is_the_working_directory(self):
        built = self.files("FROM scratch\nENV empty=\nWORKDIR /w\nCOPY f $empty\nCOPY --link f2 ${empty}\n",
                           {"f": "x\n", "f2": "y\n"})
        self.assertEqual((built["w/f"], built["w/f2"]), ("x\n", "y\n"))

    def test_a_slash_at_the_end_makes_a_directory(self):
        built = self.files("FROM scratch\nCOPY f /sub/dir1/\nCOPY f /sub/dir2\n", {"f": "x\n"})
        self.assertEqual((built["sub/dir1/f"], built["sub/dir2"]), ("x\n", "x\n"))

    def test_a_dot_is_the_working_directory_with_link_too(self):
        built = self.files("FROM scratch\nWORKDIR /var/www\nCOPY --link f .\nCOPY --link f ./sub/\n", {"f": "x\n"})
        self.assertEqual((built["var/www/f"], built["var/www/sub/f"]), ("x\n", "x\n"))

    def test_owners_of_directories_that_are_there_and_of_those_that_are_made(self):
        built = self.files(
            "FROM busybox AS base\nRUN mkdir -p /out /out2/sub && chown 1:2 /out /out2 && chown 3:4 /out2/sub && "
            "mkdir /src && echo x > /src/f && mkdir /src/sub && chown 7:8 /src/f /src/sub && chown 5:6 /src\n"
            "FROM base\nCOPY --from=base /src /made\nCOPY --from=base /src /out\n"
            "COPY --chown=9:10 --from=base /src /out2\n"
            "COPY --chown=9:10 --from=base /src /made2\n")
        self.assertEqual([built.owner(f"made{rest}") for rest in ("", "/f", "/sub")], [(0, 0), (7, 8), (7, 8)])
        self.assertEqual([built.owner(f"out{rest}") for rest in ("", "/f", "/sub")], [(1, 2), (7, 8), (7, 8)])
        self.assertEqual([built.owner(f"out2{rest}") for rest in ("", "/f")], [(1, 2), (9, 10)])
        self.assertEqual([built.owner(f"made2{rest}") for rest in ("", "/f", "/sub")], [(9, 10)] * 3)

    def test_only_files_that_a_pattern_matches_count_for_the_cache(self):
        tree = {"foo1": "1\n", "foo2": "2\n", "bar": "3\n"}
        text = f"FROM busybox\nCOPY foo* /files/\nRUN {UUID} > /id\n"
        first = self.files(text, tree)["id"]
        self.assertEqual(self.files(text, {**tree, "bar": "other\n"})["id"], first)
        self.assertNotEqual(self.files(text, {**tree, "foo2": "other\n"})["id"], first)

    def test_a_renamed_file_counts_for_the_cache(self):
        text = f"FROM busybox\nCOPY file* /files/\nRUN {UUID} > /id\n"
        first = self.files(text, {"file1": "same\n"})
        second = self.files(text, {"file2": "same\n"})
        self.assertNotEqual(first["id"], second["id"])
        self.assertEqual(second.names("files"), {"file2"})

    def test_a_pattern_without_a_match_is_left_out(self):
        built = self.files("FROM scratch\nCOPY foo nomatch* /\n", {"foo": "x\n"})
        self.assertEqual(built.names(), {"foo"})

    def test_a_directory_that_is_made_takes_chown(self):
        built = self.files("FROM scratch\nCOPY --chown=1000:33 f /new/dir/\n", {"f": "x\n"})
        self.assertEqual({built.owner(path) for path in ("new", "new/dir", "new/dir/f")}, {(1000, 33)})

    def test_links_in_the_path_of_a_source_are_followed(self):
        built = self.files(
            "FROM busybox AS stage\n"
            "RUN mkdir -p /sub/d && echo s > /sub/d/f && ln -s /sub/d /absolute && ln -s d /sub/relative\n"
            "FROM scratch\nCOPY link/foo /from-context\nCOPY --from=stage /absolute/f /a\n"
            "COPY --from=stage /sub/relative/f /r\n",
            {"sub/foo": "c\n", "link": Link("sub")})
        self.assertEqual((built["from-context"], built["a"], built["r"]), ("c\n", "s\n", "s\n"))

    def test_a_socket_of_the_context_becomes_an_empty_file(self):
        files = self.source("FROM scratch\nCOPY . /\n")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.join(files, "socket"))
            built = self.files_of(files)
        self.assertEqual((built.node("socket").kind, built.node("socket").size), ("file", 0))

    def test_links_named_as_sources_are_followed_and_those_below_are_kept(self):
        tree = {"foo": "x\n", "l1": Link("foo"), "l2": Link("l1"), "sub/l3": Link("../foo"),
                "sub/dangling": Link("none"),
                "dir": Link("sub")}
        built = self.files("FROM scratch\nCOPY l2 /direct\nCOPY l* /wild/\nCOPY sub /kept/\nCOPY dir /followed/\n",
                           tree)
        self.assertEqual({built.node(path).kind for path in ("direct", "wild/l1", "wild/l2")}, {"file"})
        self.assertEqual(built["direct"] + built["wild/l1"] + built["wild/l2"], "x\nx\nx\n")
        self.assertEqual(built.node("kept/l3").target, "../foo")
        self.assertEqual(built.node("followed/dangling").target, "none")

    def test_owners_by_name_number_and_variable(self):
        built = self.files(
            "FROM busybox\nENV owner=1000\nARG group=staff\nCOPY --chown=daemon f /a\nCOPY --chown=1000:nobody2 f /b\n"
            "COPY --chown=${owner}:${group} d /c\nCOPY --chown=33 f /d\n".replace("nobody2", "users"),
            {"f": "x\n", "d/e/f": "x\n"})
        self.assertEqual([built.owner(path) for path in ("a", "b", "d")], [(1, 1), (1000, 100), (33, 33)])
        self.assertEqual({built.owner(path) for path in ("c", "c/e", "c/e/f")}, {(1000, 50)})

    def test_modes_by_number_and_variable(self):
        built = self.files("FROM scratch\nENV mode=755\nCOPY --chmod=0 f /a\nCOPY --chmod=0644 f /b\n"
                           "COPY --chmod=777 f /c\n"
                           "COPY --chmod=${mode} f /d\nCOPY --chmod=0775 f /made/e\n", {"f": File(b"x\n", 0o600)})
        self.assertEqual([built.mode(path) for path in ("a", "b", "c", "d", "made/e", "made")],
                         [0, 0o644, 0o777, 0o755, 0o775, 0o775])

    def test_what_stands_there_is_copied_over(self):
        built = self.files("FROM scratch\nCOPY sub sub\nCOPY sub sub\nCOPY files/f1 /\nCOPY files /\n"
                           "COPY sub/dir1 sub/dir1\n",
                           {"sub/dir1/dir2/f": "x\n", "files/f1": "1\n", "files/f2": "2\n"})
        self.assertEqual((built["sub/dir1/dir2/f"], built["f1"], built["f2"]), ("x\n", "1\n", "2\n"))

    def test_a_variable_as_source(self):
        self.assertEqual(self.files("FROM scratch\nENV FOO f\nCOPY $FOO /x\n", {"f": "x\n"})["x"], "x\n")

    def test_patterns_and_directories_as_sources(self):
        tree = {"foo": "foo\n", "foo.go": "go\n", "bar": "bar\n", "a/b/x": "abx\n", "a/c/x": "acx\n", "a/b/y": "aby\n"}
        built = self.files("FROM scratch\nCOPY *.go /gofiles/\nCOPY f* foo2/\nCOPY a/* /merged/\nCOPY a/*/x /last/\n"
                           "COPY a /whole\nCOPY a/b/. /dot\nCOPY foo bar /two/\nCOPY ba? /one\n", tree)
        self.assertEqual(built.names("gofiles"), {"foo.go"})
        self.assertEqual(built.names("foo2"), {"foo", "foo.go"})
        self.assertEqual(built.names("merged"), {"x", "y"})
        self.assertIn(built["last/x"], ("abx\n", "acx\n"))
        self.assertEqual(built["whole/c/x"], "acx\n")
        self.assertEqual(built.names("dot"), {"x", "y"})
        self.assertEqual(built.names("two"), {"foo", "bar"})
        self.assertEqual(built["one"], "bar\n")

    def test_relative_and_absolute_destinations(self):
        lines = "".join(f"WORKDIR /{verb}/test1\n{verb} foo .\nWORKDIR /{verb}/test2\n{verb} foo ./\n"
                        f"WORKDIR /{verb}/test3\n"
                        f"{verb} foo ../up\n{verb} foo sub/\n{verb} foo /{verb}/abs\n" for verb in ("COPY", "ADD"))
        built = self.files(f"FROM scratch\n{lines}", {"foo": "x\n"})
        for verb in ("COPY", "ADD"):
            for path in ("test1/foo", "test2/foo", "up", "test3/sub/foo", "abs"):
                self.assertEqual(built[f"{verb}/{path}"], "x\n")

    def test_names_of_any_letters(self):
        names = ("äöü", "foo%20bar", "a+b", "日本", "with blank")
        copies = "".join(f'COPY ["{name}", "/out/{name}"]\n' for name in names)
        built = self.files(f"FROM scratch\n{copies}COPY . /all/\nCOPY foo%20bar a+b /more/\n",
                           {name: name for name in names})
        for name in names:
            self.assertEqual((built[f"out/{name}"], built[f"all/{name}"]), (name, name))
        self.assertEqual(built.names("more"), {"foo%20bar", "a+b"})

    def test_two_builds_at_once_have_contexts_of_their_own(self):
        text = "FROM scratch\nCOPY f /f\n"
        first, second = self.source(text, {"f": "1\n"}), self.source(text, {"f": "2\n"})
        running = [self.start("build", "-o", self.path(f"o{i}"), files) for i, files in enumerate((first, second))]
        for process in running:
            self.finish(process)
        for i in range(2):
            with open(self.path(f"o{i}", "f"), encoding="ascii") as file:
                self.assertEqual(file.read(), f"{i + 1}\n")


class ParentsAndExclude(Language):
    """11.21"""

    TREE = {"foo1/bar": "1\n", "foo1/foo2/bar": "2\n", "a/b/c/d/e": "deep\n", "a/b2/c/d/e": "deep2\n", "a/b/f": "f\n"}

    def test_parents_keep_the_path(self):
        built = self.files("FROM scratch\nWORKDIR /t\nCOPY --parents foo1/foo2/bar .\nWORKDIR /t2\n"
                           "COPY --parents foo1/*/bar .\n"
                           "WORKDIR /t3\nCOPY --parents --link ./foo1/ a/b/f .\n", self.TREE)
        self.assertEqual((built["t/foo1/foo2/bar"], built["t2/foo1/foo2/bar"], built["t3/foo1/bar"]),
                         ("2\n", "2\n", "1\n"))
        self.assertEqual(built.names("t/foo1"), {"foo2"})
        self.assertEqual(built["t3/a/b/f"], "f\n")

    def test_the_path_begins_behind_the_pivot(self):
        sources = ("a/./b/c/d/e", "a/b/c/./d/e", "a/b/c/d/.", "./a/b/f", "a/./b/./c/d/e", "a/./*/c/**/e",
                   "a/b*/./c/d/e", "./**/e")
        expected = ({"b/c/d/e"}, {"d/e"}, None, {"a/b/f"}, None, {"b/c/d/e", "b2/c/d/e"}, {"c/d/e"},
                    {"a/b/c/d/e", "a/b2/c/d/e"})
        copies = "".join(f"COPY --parents {source} /{i}/\n" for i, source in enumerate(sources))
        built = self.files(f"FROM scratch\n{copies}", self.TREE)
        for i, (source, paths) in enumerate(zip(sources, expected)):
            found = {os.path.relpath(os.path.join(folder, name), built.root + f"/{i}")
                     for folder, _, names in os.walk(built.root + f"/{i}") for name in names}
            if paths is None:
                self.assertEqual(len(found), 1, (source, found))
            else:
                self.assertEqual(found, paths, source)

    def test_a_missing_path_is_an_error_and_a_pattern_without_a_match_is_none(self):
        for path in ("no/bar", "foo1/./no/bar", "no/./bar"):
            self.refused(f"FROM scratch\nCOPY --parents {path} /\n", "no such file", tree=self.TREE)
        built = self.files("FROM scratch\nCOPY --parents no*/bar foo1/bar foo1/./no* n*/./bar /\n", self.TREE)
        self.assertEqual(built.names(), {"foo1"})

    def test_excluded_files_are_not_copied(self):
        tree = {"d/a.txt": "a", "d/b.log": "b", "d/sub/c.log": "c", "d/sub/e.txt": "e", "d/link.log": Link("a.txt"),
                "d/link": Link("a.txt")}
        built = self.files("FROM scratch\nCOPY --exclude=*.log d /1/\nCOPY --exclude=**/*.log d /2/\n"
                           "COPY --exclude=sub --exclude=link* d /3/\nCOPY --exclude=** --exclude=!sub/e.txt d /4/\n"
                           "COPY --exclude=** d /5/\nCOPY --parents --exclude=**/*.txt d /6/\n"
                           "ADD --exclude=*.txt d /7/\n", tree)
        self.assertEqual(built.names("1"), {"a.txt", "sub", "link"})
        self.assertEqual((built.names("2"), built.names("2/sub")), ({"a.txt", "sub", "link"}, {"e.txt"}))
        self.assertEqual(built.names("3"), {"a.txt", "b.log"})
        self.assertEqual((built.names("4"), built.names("4/sub")), ({"sub"}, {"e.txt"}))
        self.assertEqual((built.node("5").kind, built.names("5")), ("directory", set()))
        self.assertEqual(built.names("6/d/sub"), {"c.log"})
        self.assertEqual(built.names("7"), {"b.log", "sub", "link.log", "link"})
