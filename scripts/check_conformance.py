#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks docs/conformance.md: every test that it names is there, and its head counts what its tables say.

A row is | behaviour | what it says | result | shown by |. The result is "passes", "does not apply" or "not yet". A
test is named in backticks:

    test_cache.Cache.test_no_cache…            a method of a class of tests/e2e/
    builder/edit/edit_test.cc: its sentence    a unit test
    parser/golden/diagnostics/check-from       a golden file, with its answer beside it

A row that passes names at least one; any other row has a reason.

And the table of docs/registry.md: every end of the distribution specification has a row | end | what | shown by |,
which names tests as above, or scripts of registries as "tests/hostile: NAME", or says "not used".

usage: check_conformance.py [--root DIR]
exit status: 0 when all holds, 1 with one line for each breach.
"""

import argparse
import ast
import os
import re
import sys

PAGE = "docs/conformance.md"
REGISTRY_PAGE = "docs/registry.md"
SPECIFICATION = "## What the specification says of clients"
ENDS = ("end-1", "end-2", "end-3", "end-4a", "end-4b", "end-5", "end-6", "end-7", "end-8a", "end-9", "end-10", "end-11",
        "end-12a", "end-13", "end-14")
REGISTRY_ROW = re.compile(r"^\| (?!---|end \|)(.+?) \| (.+?) \| (.+) \|$")
HOSTILE = re.compile(r"^tests/hostile: ([\w-]+)$")
HOSTILE_FILES = ("tests/hostile/gen_hostile.py", "tests/hostile/test_registries.py")
RESULTS = ("passes", "does not apply", "not yet")
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*) \|$")
COUNT = re.compile(r"^\| (passes|does not apply|not yet|all) \| (\d+) \|$")
END_TO_END = re.compile(r"^(test_\w+)\.(\w+)\.(test_\w+)$")
UNIT = re.compile(r"^([\w/]+_test\.cc): (.+)$")
GOLDEN = re.compile(r"^\w+/golden/[\w/.-]+$")


def read(root, path):
    """The text of a file; None where there is none."""
    try:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


class Tests:
    """The tests of the source tree, each file read once."""

    def __init__(self, root):
        self.root = root
        self.known = {}

    def names_in(self, path):
        """Class.method of a Python file, the sentences of a C++ one; None where there is no such file."""
        if path not in self.known:
            text = read(self.root, path)
            if text is None:
                self.known[path] = None
            elif path.endswith(".py"):
                self.known[path] = {f"{item.name}.{method.name}" for item in ast.parse(text).body
                                    if isinstance(item, ast.ClassDef)
                                    for method in item.body if isinstance(method, ast.FunctionDef)}
            else:
                joined = re.sub(r'"\s*\n\s*"', "", text)
                self.known[path] = set(re.findall(r'TEST_CASE\(\s*"((?:[^"\\]|\\.)*)"', joined))
        return self.known[path]

    def fault_of(self, name):
        """What is wrong with a test's name; None for one that is there, "" for what names no test."""
        if found := END_TO_END.match(name):
            path, test = f"tests/e2e/{found.group(1)}.py", f"{found.group(2)}.{found.group(3)}"
        elif found := UNIT.match(name):
            path, test = found.groups()
        elif found := HOSTILE.match(name):
            scripts = "".join(read(self.root, path) or "" for path in HOSTILE_FILES)
            return None if f'"{found.group(1)}"' in scripts else f"there is no script {found.group(1)}"
        elif GOLDEN.match(name):
            answers = [name + suffix for suffix in (".said", ".tree")]
            has_answer = name.endswith(".txt") or any(os.path.isfile(os.path.join(self.root, path)) for path in answers)
            is_there = has_answer and os.path.isfile(os.path.join(self.root, name))
            return None if is_there else f"there is no golden file {name}"
        else:
            return ""
        names = self.names_in(path)
        if names is None:
            return f"there is no {path}"
        return None if test in names else f"{path} has no test {test}"


def check_row(row, tests):
    """The faults of one row."""
    _, says, result, shown_by = row
    if not says:
        yield "it does not say what is tested"
    if result not in RESULTS:
        yield f"\"{result}\" is none of the results {', '.join(RESULTS)}"
    found = 0
    for name in re.findall(r"`([^`]+)`", shown_by):
        fault = tests.fault_of(name)
        if fault:
            yield fault
        found += fault is None
    if result == "passes" and not found:
        yield "it passes, and no test shows it"
    if result != "passes" and not re.sub(r"`[^`]*`", "", shown_by).strip(" ,;."):
        yield "no reason is given"


def check_page(text, tests):
    """(line, fault) of the whole page."""
    counted = dict.fromkeys((*RESULTS, "all"), 0)
    told, seen = {}, set()
    for number, line in enumerate(text.split("\n"), start=1):
        if count := COUNT.match(line):
            told[count.group(1)] = (number, int(count.group(2)))
        elif row := ROW.match(line):
            name, result = row.group(1), row.group(3)
            if name in seen:
                yield number, f"{name} stands twice"
            seen.add(name)
            counted["all"] += 1
            if result in counted:
                counted[result] += 1
            for fault in check_row(row.groups(), tests):
                yield number, f"{name}: {fault}"
        elif line.startswith("| `"):
            yield number, "a row of four columns was expected"
    for result, count in counted.items():
        number, said = told.get(result, (1, None))
        if said != count:
            yield number, f"the head says {said} for \"{result}\", the tables hold {count}"


def check_registry_page(text, tests):
    """(line, fault) of the table of what a client of registries does."""
    begin = text.find(SPECIFICATION)
    if begin < 0:
        yield 1, f"there is no \"{SPECIFICATION}\""
        return
    end = text.find("\n## ", begin)
    first = text.count("\n", 0, begin) + 1
    told = set()
    for number, line in enumerate(text[begin:end if end > 0 else None].split("\n"), start=first):
        if not (row := REGISTRY_ROW.match(line)):
            continue
        what, _, shown_by = row.groups()
        told.add(re.split(r"[ ,]", what)[0])
        names = re.findall(r"`([^`]+)`", shown_by)
        for name in names:
            if (fault := tests.fault_of(name)) is not None:
                yield number, f"{what}: {fault or name + ' names no test'}"
        if not names and shown_by != "not used":
            yield number, f"{what}: no test shows it"
    for end_name in ENDS:
        if end_name not in told:
            yield first, f"{end_name} has no row"


def main():
    parser = argparse.ArgumentParser(description="check what docs/conformance.md claims")
    default_root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--root", default=default_root, help="the source tree (default: this one)")
    root = parser.parse_args().root
    tests, faults = Tests(root), 0
    for page, check in ((PAGE, check_page), (REGISTRY_PAGE, check_registry_page)):
        text = read(root, page)
        for number, fault in [(1, "there is no such page")] if text is None else check(text, tests):
            print(f"{page}:{number}: {fault}")
            faults += 1
    print(f"check_conformance: {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
