#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checks go red on what they are there to catch, and docs/architecture.md says what check_layers.py enforces."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
sys.dont_write_bytecode = True

import check_layers  # noqa: E402  (the path is set above)

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
CONTRACT = "#pragma once\n\n// What it owns.\n"


def check(script, tree):
    """Runs a check over a source tree given as {path: text}; gives its exit status and output."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in tree.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        done = subprocess.run([sys.executable, os.path.join(ROOT, "scripts", script), "--root", root],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout


class Layers(unittest.TestCase):
    def assert_red(self, includer, included, reason):
        status, output = check("check_layers.py", {includer: f'{SPDX}#include "{included}"\n'})
        self.assertEqual(status, 1, output)
        self.assertIn(f'{includer}:2: "{included}": {reason}', output)

    def assert_green(self, includer, included):
        status, output = check("check_layers.py", {includer: f'{SPDX}#include "{included}"\n'})
        self.assertEqual(status, 0, output)

    def test_a_room_may_not_know_the_room_above(self):
        self.assert_red("base/error.cc", "cli/report.h", "base/ may not know cli/")
        self.assert_red("builder/plan/planner.cc", "cli/report.h", "builder/ may not know cli/")

    def test_parser_and_layerstore_never_see_each_other(self):
        self.assert_red("parser/syntax/x.cc", "layerstore/tree/tree.h", "parser/ may not know layerstore/")
        self.assert_red("layerstore/tree/x.cc", "parser/syntax/syntax.h", "layerstore/ may not know parser/")

    def test_nobody_links_the_helper_programs(self):
        self.assert_red("builder/solve/x.cc", "fetch/http.h", "builder/ may not know fetch/")

    def test_a_helper_program_knows_formats_and_not_the_store(self):
        self.assert_red("fetch/pull.cc", "layerstore/store/store.h", "fetch/ may not know layerstore/store/")
        self.assert_green("fetch/pull.cc", "layerstore/image/image.h")

    def test_a_folder_may_not_know_the_folder_above(self):
        self.assert_red("layerstore/tree/x.cc", "layerstore/layer/packing.h",
                        "layerstore/tree may not know layerstore/layer")

    def test_a_folder_that_no_table_names_is_refused(self):
        self.assert_red("layerstore/misc/x.cc", "layerstore/tree/tree.h", "layerstore/misc is not a folder of the table")

    def test_a_private_header_is_seen_by_its_own_folder_only(self):
        self.assert_red("builder/solve/x.cc", "builder/plan/detail/y.h", "builder/plan/detail/ is private to builder/plan/")
        self.assert_green("builder/plan/x.cc", "builder/plan/detail/y.h")

    def test_an_include_is_written_from_the_root(self):
        self.assert_red("base/error.cc", "error.h", "includes are written from the root")

    def test_downward_includes_pass(self):
        self.assert_green("cli/main.cc", "builder/solve/solver.h")
        self.assert_green("builder/plan/planner.cc", "parser/buildfile/buildfile.h")
        self.assert_green("layerstore/image/x.cc", "layerstore/tree/tree.h")


class Source(unittest.TestCase):
    def assert_red(self, path, text, message):
        status, output = check("check_source.py", {path: text})
        self.assertEqual(status, 1, output)
        self.assertIn(message, output)

    def assert_green(self, path, text):
        status, output = check("check_source.py", {path: text})
        self.assertEqual(status, 0, output)

    def test_a_source_without_licence_line(self):
        self.assert_red("base/x.cc", "int x;\n", "base/x.cc:1: licence:")

    def test_a_header_without_contract(self):
        self.assert_red("base/x.h", f"{SPDX}#pragma once\n\nint x();\n", "base/x.h:2: contract:")
        self.assert_green("base/x.h", f"{SPDX}{CONTRACT}\nint x();\n")

    def test_files_that_grew_too_long(self):
        self.assert_red("base/x.h", SPDX + CONTRACT + "\n" * 200, "base/x.h:201: size: 204 lines, at most 200")
        self.assert_red("base/x.cc", SPDX + "\n" * 500, "base/x.cc:501: size: 501 lines, at most 500")

    def test_a_promise_without_an_issue(self):
        self.assert_red("base/x.cc", f"{SPDX}// TO" "DO: later\n", "base/x.cc:2: promise:")
        self.assert_green("base/x.cc", f"{SPDX}// TO" "DO(#12): later\n")

    def test_banned_names(self):
        for rule, line in (
            ("prints", 'std::cerr << "no";'),
            ("prints", 'fmt::print("no");'),
            ("prints", 'printf("no");'),
            ("remove_all", "std::filesystem::remove_all(path);"),
            ("system", 'system("ls");'),
            ("sprintf", 'sprintf(buffer, "no");'),
            ("errno", "if (errno == 0) return;"),
            ("rename", 'rename("a", "b");'),
            ("openat2", "syscall(SYS_openat2);  openat2(fd);"),
            ("close", "::close(fd);"),
            ("exit", "std::exit(1);"),
        ):
            self.assert_red("layerstore/x.cc", f"{SPDX}void f() {{\n    {line}\n}}\n", f"layerstore/x.cc:3: {rule}:")

    def test_a_banned_name_where_it_is_at_home(self):
        self.assert_green("base/x.cc", f"{SPDX}int f() {{ return errno; }}\n")
        self.assert_green("base/atomic_file.cc", f'{SPDX}void f() {{ ::rename("a", "b"); }}\n')
        self.assert_green("cli/x.cc", f'{SPDX}void f() {{ fmt::print("yes"); }}\n')
        self.assert_green("base/x_test.cc", f"{SPDX}void f() {{ std::filesystem::remove_all(path); }}\n")

    def test_a_banned_name_in_a_comment_a_string_or_a_longer_name(self):
        self.assert_green("layerstore/x.cc", f'{SPDX}// rename( is not called\nauto a = "errno";\nfile.close();\n'
                                             'void closed(int fd);\nauto b = R"(system("x"))";\nconst int c = 1\'000;\n')


class AcrossFiles(unittest.TestCase):
    A_TYPE = "namespace imgbuild::a {{\n{}\nstruct Thing {{\n    int x;\n}};\n{}\n}}  // namespace imgbuild::a\n"

    def assert_found(self, tree, message):
        status, output = check("check_source.py", tree)
        self.assertEqual(status, 1 if message else 0, output)
        if message:
            self.assertIn(message, output)

    def pair(self, first, second):
        return {"base/x.cc": SPDX + first, "base/y.cc": SPDX + second}

    def test_two_types_of_one_name_in_one_namespace(self):
        plain = self.A_TYPE.format("", "")
        self.assert_found(self.pair(plain, plain), "base/y.cc:4: type: imgbuild::a::Thing is defined in base/x.cc:4 too")
        self.assert_found(self.pair(plain, plain.replace("struct Thing {", "class Thing final : public Other {")), "type:")

    def test_types_that_may_have_one_name(self):
        plain = self.A_TYPE.format("", "")
        self.assert_found(self.pair(plain, plain.replace("::a", "::b")), None)
        self.assert_found(self.pair(plain, self.A_TYPE.format("namespace {", "}  // namespace")), None)
        self.assert_found(self.pair(plain, plain.replace("struct Thing {\n    int x;\n}", "struct Thing")), None)
        self.assert_found(self.pair(plain, plain.replace("struct Thing {", "struct Other {\n    struct Thing {};")), None)

    def page(self, text):
        return {"docs/a.md": text, "docs/formats/b.md": "# The page\n\n## How it is: done\n\n    rule = byte\n"}

    def test_a_link_to_a_page_that_is_not_there(self):
        self.assert_found(self.page("[b](b.md)\n"), "docs/a.md:1: link: there is no docs/b.md")
        self.assert_found(self.page("see docs/b.md\n"), "docs/a.md:1: link: there is no docs/b.md")
        self.assert_found({"base/x.cc": f"{SPDX}// docs/b.md has more\n"}, "base/x.cc:2: link: there is no docs/b.md")

    def test_a_link_to_a_section_that_is_not_there(self):
        self.assert_found(self.page("[b](formats/b.md#how)\n"), "link: docs/formats/b.md has no section #how")
        self.assert_found(self.page('x\n(docs/formats/b.md, "depth")\n'),
                          'docs/a.md:2: link: docs/formats/b.md has no section "depth"')

    def test_links_that_hold(self):
        self.assert_found(self.page("# Top\n[b](formats/b.md#how-it-is-done), [here](#top), [out](https://x/#y)\n"
                                    'docs/formats/b.md, "done"; docs/formats/b.md, "rule"\n'), None)


class Conformance(unittest.TestCase):
    ROWS = {
        "e2e": "| `testA` | a thing | passes | `test_cache.Cache.test_it` |",
        "unit": "| `testB` | a thing | passes | `builder/edit/edit_test.cc: it is so, and no other way`, for the rest |",
        "golden": "| `testC` | a thing | passes | `parser/golden/trees/run` |",
        "daemon": "| `testD` | a thing | does not apply | there is no daemon |",
        "later": "| `testE` | a thing | not yet | nothing is pushed |",
    }
    TREE = {
        "tests/e2e/test_cache.py": "class Cache:\n    def test_it(self):\n        pass\n",
        "builder/edit/edit_test.cc": 'TEST_CASE("it is so, "\n          "and no other way") {}\n',
        "parser/golden/trees/run": "", "parser/golden/trees/run.tree": "", "parser/golden/trees/alone": "",
        "tests/hostile/gen_hostile.py": 'rg("blob-longer", "pull")\n', "tests/hostile/test_registries.py": "",
    }
    ENDS = ("end-1", "end-2 GET", "end-3", "end-4a", "end-4b", "end-5", "end-6", "end-7", "end-8a, 8b", "end-9", "end-10",
            "end-11", "end-12a, 12b", "end-13", "end-14")

    @classmethod
    def registry_page(cls, **rows):
        rows = {**{end: "not used" for end in cls.ENDS}, **rows}
        table = "".join(f"| {end} | a thing | {shown_by} |\n" for end, shown_by in rows.items() if shown_by)
        return ("## What the specification says of clients\n\n| end | what imgbuild does | shown by |\n"
                f"| --- | --- | --- |\n{table}\n## More\n\n| not | a | row |\n")

    def found(self, counts=(3, 1, 1, 5), **rows):
        names = ("passes", "does not apply", "not yet", "all")
        head = "".join(f"| {name} | {count} |\n" for name, count in zip(names, counts))
        page = head + "\n" + "\n".join({**self.ROWS, **rows}.values()) + "\n"
        return check("check_conformance.py", {**self.TREE, "docs/conformance.md": page,
                                              "docs/registry.md": self.registry_page()})

    def assert_red(self, message, **changes):
        status, output = self.found(**changes)
        self.assertEqual(status, 1, output)
        self.assertIn(message, output)

    def test_a_page_whose_tests_are_there_and_whose_counts_are_right(self):
        status, output = self.found()
        self.assertEqual(status, 0, output)

    def test_a_page_that_is_not_there(self):
        self.assertEqual(check("check_conformance.py", self.TREE)[0], 1)

    def test_a_row_of_the_registry_page_that_nothing_shows(self):
        head = "".join(f"| {name} | 0 |\n" for name in ("passes", "does not apply", "not yet", "all"))
        for rows, message in (({"end-5": ""}, "end-5 has no row"),
                              ({"end-5": "it works"}, "end-5: no test shows it"),
                              ({"end-5": "`test_cache.Cache.test_other`"}, "has no test Cache.test_other"),
                              ({"end-5": "`tests/hostile: other`"}, "there is no script other"),
                              ({"end-5": "`x`"}, "x names no test"),
                              ({"end-5": "`tests/hostile: blob-longer`, `test_cache.Cache.test_it`"}, "0 faults")):
            tree = {**self.TREE, "docs/conformance.md": head, "docs/registry.md": self.registry_page(**rows)}
            status, output = check("check_conformance.py", tree)
            self.assertIn(message, output)
            self.assertEqual(status, 0 if message == "0 faults" else 1)

    def test_a_test_that_is_not_there(self):
        row = "| `testA` | a thing | passes | {} |"
        for name, message in (("`test_cache.Cache.test_other`", "tests/e2e/test_cache.py has no test Cache.test_other"),
                              ("`test_cache.Other.test_it`", "has no test Other.test_it"),
                              ("`test_none.Cache.test_it`", "there is no tests/e2e/test_none.py"),
                              ("`builder/edit/edit_test.cc: it is so`", "has no test it is so"),
                              ("`parser/golden/trees/alone`", "there is no golden file parser/golden/trees/alone"),
                              ("`--some-flag`", "it passes, and no test shows it"), ("", "no test shows it")):
            self.assert_red(message, e2e=row.format(name))
        self.assert_red("has no test Cache.test_other",
                        later="| `testE` | a | not yet | half of it: `test_cache.Cache.test_other` |")

    def test_counts_that_are_wrong(self):
        self.assert_red('1: the head says 4 for "passes", the tables hold 3', counts=(4, 1, 1, 5))
        self.assert_red('the head says 6 for "all", the tables hold 5', counts=(3, 1, 1, 6))
        self.assert_red('the head says 1 for "not yet", the tables hold 0', later="")

    def test_rows_that_say_too_little(self):
        self.assert_red("no reason is given", daemon="| `testD` | a thing | does not apply |  |")
        self.assert_red("no reason is given", later="| `testE` | a thing | not yet | `test_cache.Cache.test_it` |")
        self.assert_red('"perhaps" is none of the results', later="| `testE` | a thing | perhaps | x |")
        self.assert_red("testA stands twice", later="| `testA` | a thing | not yet | x |")
        self.assert_red("four columns", later="| `testE` | not yet | x |")


class Architecture(unittest.TestCase):
    def test_the_page_says_what_the_check_enforces(self):
        with open(os.path.join(ROOT, "docs", "architecture.md"), encoding="utf-8") as file:
            rows = re.findall(r"^\| `([a-z]+)/(?:([a-z]+)/)?` \|[^|]*\| ([^|]*) \|", file.read(), re.MULTILINE)
        on_page = {(room, folder): tuple(sorted(re.findall(r"`([a-z]+)/?`", uses))) for room, folder, uses in rows}
        enforced = {(room, ""): tuple(sorted(below)) for room, below in check_layers.ROOMS.items()}
        for room, folders in check_layers.FOLDERS.items():
            for folder, others in folders.items():
                enforced[room, folder] = tuple(sorted(others))
        self.assertEqual(on_page, enforced)

    def test_every_folder_of_a_room_is_in_the_table(self):
        for room, folders in check_layers.FOLDERS.items():
            path = os.path.join(ROOT, room)
            found = {name for name in os.listdir(path) if os.path.isdir(os.path.join(path, name))} - {"detail", "golden"}
            self.assertEqual(found - set(folders), set(), f"folders of {room}/ that check_layers.py does not know")


if __name__ == "__main__":
    unittest.main()
