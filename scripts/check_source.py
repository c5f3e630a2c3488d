#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the house rules that a compiler does not know: sizes, licence lines, header contracts, banned names, types
that are defined twice, and links between the pages.

A ban names what to use instead. An exception stands in EXCEPTIONS with its reason, for one file and one rule;
one that no longer excuses anything is itself reported. Comments and string literals are not searched for banned
names, and unit tests (*_test.cc) may use them.

usage: check_source.py [--root DIR]
exit status: 0 when every rule holds, 1 with one line for each breach.
"""

import argparse
import os
import re
import sys

ROOMS = ("base", "parser", "layerstore", "builder", "cli", "fetch", "unpack")
FOLDERS = ROOMS + ("libexec", "tests", "bench", "examples", "scripts", "docs", ".ci")
TOP_FILES = ("meson.build", "meson_options.txt", "README.md", "HACKING.md", ".clang-format", ".clang-tidy")
LICENCE = "SPDX-License-Identifier: Apache-2.0"
MAX_HEADER_LINES = 200
MAX_SOURCE_LINES = 500

# (rule, path) -> why the rule does not hold there.
EXCEPTIONS = {
    ("size", "tests/hostile/gen_hostile.py"): "a catalogue: one short entry for each hostile input",
    ("openat2", "builder/sandbox/single/task_files.cc"): "a task's own path, by its own root and with the kernel's errno",
}


class Ban:
    """A name that may not be used in C++ code outside `allowed` (path prefixes)."""

    def __init__(self, rule, pattern, allowed, instead):
        self.rule = rule
        self.pattern = re.compile(pattern)
        self.allowed = allowed
        self.instead = instead


# generate.cc is a program of the build: what it prints becomes a header.
MAY_PRINT = ("cli/", "fetch/main.cc", "unpack/main.cc", "builder/sandbox/seccomp/generate.cc")
BANS = (
    Ban("prints", r"\bstd::(cerr|cout|clog)\b|\bfmt::print(ln)?\b|(?<![\w.>])(std::)?(v?f?printf|f?puts|perror)\s*\(", MAY_PRINT,
        "throw an Error or send an event; only cli/ and the helper programs' main.cc print"),
    Ban("remove_all", r"\bremove_all\b", (), "Directory::remove_tree follows no links"),
    Ban("system", r"(?<![\w.>])(std::|::)?(system|popen)\s*\(", (), "Process starts a program without a shell"),
    Ban("sprintf", r"\bv?sprintf\b", (), "fmt::format"),
    Ban("unsafe string", r"(?<![\w.>])(std::|::)?(strcpy|strcat|strtok|gets|mktemp|tmpnam|atoi|atol|atoll)\s*\(", (),
        "base/text.h and std::from_chars"),
    # Telling people something never throws, so the terminal asks errno itself; a signal handler has to keep it.
    Ban("errno", r"\berrno\b", ("base/", "builder/sandbox/", "cli/common/terminal.cc", "cli/common/terminal_session.cc"),
        "a wrapper in base/ that throws Error"),
    # A file is published by AtomicFile. A directory is published under its own name in base/ (TemporaryDirectory)
    # and in the sandbox, which alone writes deltas/ and mounts/ of the store.
    Ban("rename", r"(?<![\w.>])(std::|::)?(filesystem::)?rename(at2?)?\s*\(",
        ("base/atomic_file.cc", "base/temporary_directory.cc", "builder/sandbox/"), "AtomicFile"),
    Ban("openat2", r"\bopenat2\b", ("base/directory.cc",), "Directory, the single caller"),
    Ban("close", r"(?<![\w.>:])(::)?close\s*\(\s*[^)\s]", ("base/fd.cc",), "Fd closes once"),
    Ban("exit", r"(?<![\w.>])(std::|::)?(exit|abort|quick_exit)\s*\(", ("cli/",), "throw an Error: objects must be undone"),
)

CODE = (".h", ".cc", ".c")
SCRIPTS = (".py", ".sh")
PROMISES = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX")) + r")\b(?!\(#\d+\))")
TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def files(root):
    """Every file of ours, as a path from the root, sorted; build folders are not among them."""
    for name in TOP_FILES:
        if os.path.isfile(os.path.join(root, name)):
            yield name
    for top in FOLDERS:
        for folder, subfolders, names in os.walk(os.path.join(root, top)):
            subfolders[:] = sorted(name for name in subfolders if name not in ("__pycache__", "corpus"))
            for name in sorted(names):
                yield os.path.relpath(os.path.join(folder, name), root)


def read(root, path):
    """The text of a file, None for one that is not text."""
    with open(os.path.join(root, path), "rb") as file:
        data = file.read()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def without_comments_and_strings(text):
    """The same text with comments and literals emptied and every line where it was."""

    def blank(match):
        # 1'000'000 is a number: a quote after a digit opens no literal.
        if match.group().startswith("'") and match.start() and text[match.start() - 1].isalnum():
            return match.group()
        return '""' + "\n" * match.group().count("\n")

    return TOKEN.sub(blank, text)


def is_test(path):
    return path.endswith("_test.cc") or path.startswith(("tests/", "bench/")) or path.endswith("/test_main.cc")


def in_room(path):
    return path.split("/")[0] in ROOMS


def check_licence(path, lines):
    """The licence line stands first, or second below a #! line."""
    first = lines[1] if lines and lines[0].startswith("#!") and len(lines) > 1 else (lines[0] if lines else "")
    if LICENCE not in first:
        yield "licence", 1, f"the first line is not \"{LICENCE}\""


def check_size(path, lines):
    limit = MAX_HEADER_LINES if path.endswith(".h") else MAX_SOURCE_LINES
    if len(lines) > limit:
        yield "size", limit + 1, f"{len(lines)} lines, at most {limit}: is there a second thing inside?"


def check_contract(lines):
    """A header says, right below its guard, what it owns and what its invariants are."""
    body = [line for line in lines[1:] if line.strip() and not line.startswith("#pragma once")]
    if "#pragma once" not in lines[:3]:
        yield "guard", 2, "#pragma once stands below the licence line"
    if not body or not body[0].startswith(("//", "/*")):
        yield "contract", 2, "a header opens with what it owns and its invariants"


def check_bans(path, text):
    code = without_comments_and_strings(text)
    for ban in BANS:
        if path.startswith(tuple(ban.allowed)):
            continue
        for number, line in enumerate(code.split("\n"), start=1):
            if ban.pattern.search(line):
                yield ban.rule, number, f"{line.strip()}: use instead: {ban.instead}"


def check_promises(lines):
    for number, line in enumerate(lines, start=1):
        if PROMISES.search(line):
            yield "promise", number, "name an issue, as in (#12) behind the mark, or do it now"


def findings(path, text):
    """(rule, line, message) for each breach in one file."""
    lines = text.splitlines()
    yield from check_promises(lines)
    name = os.path.basename(path)
    is_code = name.endswith(CODE)
    is_script = name.endswith(SCRIPTS) or text.startswith("#!") or name in ("meson.build", "meson_options.txt")
    if is_code or is_script:
        yield from check_licence(path, lines)
        yield from check_size(path, lines)
    if name.endswith(".h") and in_room(path):
        yield from check_contract(lines)
    if is_code and in_room(path) and not is_test(path):
        yield from check_bans(path, text)


NAMESPACE = re.compile(r"namespace ?([\w:]*) ?\{$")
# Not a declaration, not a specialisation, not a class of a class. A comment is "" by now.
TYPE = re.compile(r"(?:template <.*> ?)?(?:struct|class|enum class|union) (\w+)(?: final)?(?= ?\{| ?:(?!:)|$)")


def types_of(text):
    """(name with its namespace, line) of each type that is defined at the top of a namespace, anonymous ones left out."""
    inside = []
    for number, line in enumerate(without_comments_and_strings(text).split("\n"), start=1):
        if begin := NAMESPACE.match(line):
            inside.append(begin.group(1))
        elif line == '}  ""' and inside:
            inside.pop()
        elif (found := TYPE.match(line)) and "" not in inside:
            yield "::".join([*inside, found.group(1)]), number


def check_types(texts):
    """Two types of one name in one namespace link, and the program then uses one of them for both."""
    defined = {}
    for path, text in texts.items():
        if not path.endswith(CODE) or not in_room(path):
            continue
        for name, number in types_of(text):
            if name in defined:
                yield path, "type", number, f"{name} is defined in {defined[name]} too"
            else:
                defined[name] = f"{path}:{number}"


LINK = re.compile(r"\]\(([^)\s]+)\)")
PAGE = re.compile(r"\bdocs/[\w./-]+\.md\b(?:, \"([^\"]+)\")?")


def sections(page):
    """Headings of a page, lower case."""
    text = re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)
    return [heading.lower() for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]


def anchors(page):
    return {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in sections(page)}


def has_section(page, name):
    """A heading with that word, or a record that the page writes down as a rule: `name = …`."""
    rule = re.compile(rf"^ +{re.escape(name)} +=", re.MULTILINE)
    return any(name.lower() in heading for heading in sections(page)) or rule.search(page)


def check_links(root, texts):
    """Every page that is named is there, and so is the place in it."""
    for path, text in texts.items():
        if is_test(path):
            continue
        for number, line in enumerate(text.split("\n"), start=1):
            for mention in PAGE.finditer(line):
                name, section = mention.group().split(",")[0], mention.group(1)
                if name not in texts:
                    yield path, "link", number, f"there is no {name}"
                elif section and not has_section(texts[name], section):
                    yield path, "link", number, f"{name} has no section \"{section}\""
            for target in LINK.findall(line) if path.endswith(".md") else ():
                if re.match(r"[a-z]+:", target):
                    continue
                page, _, anchor = target.partition("#")
                file = os.path.normpath(os.path.join(os.path.dirname(path), page)) if page else path
                if not os.path.exists(os.path.join(root, file)):
                    yield path, "link", number, f"there is no {file}"
                elif anchor and anchor not in anchors(texts.get(file, "")):
                    yield path, "link", number, f"{file} has no section #{anchor}"


def comment_share(texts):
    """Percent of lines that are comment only, blank and licence lines left out."""
    comments = total = 0
    for text in texts:
        for line in text.splitlines():
            stripped = line.strip()
            if stripped and LICENCE not in stripped:
                total += 1
                comments += stripped.startswith(("//", "/*", "* "))
    return 100.0 * comments / total if total else 0.0


def print_measures(texts):
    production = {path: text for path, text in texts.items() if in_room(path) and not is_test(path)}
    headers = [text for path, text in production.items() if path.endswith(".h")]
    bodies = [text for path, text in production.items() if path.endswith(".cc")]
    longest = sorted(((len(text.splitlines()), path) for path, text in production.items() if path.endswith(CODE)), reverse=True)
    print(f"comment share: headers {comment_share(headers):.0f} % (about a third is right), "
          f"sources {comment_share(bodies):.0f} % (about a tenth)")
    print("longest: " + ", ".join(f"{path} {lines}" for lines, path in longest[:5]))


def main():
    parser = argparse.ArgumentParser(description="check sizes, licence lines, header contracts and banned names")
    default_root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--root", default=default_root, help="the source tree (default: this one)")
    options = parser.parse_args()

    texts = {}
    for path in files(options.root):
        text = read(options.root, path)
        if text is not None:
            texts[path] = text
    breaches, excused = [], set()
    found = [(path, *finding) for path, text in texts.items() for finding in findings(path, text)]
    for path, rule, number, message in [*found, *check_types(texts), *check_links(options.root, texts)]:
        if (rule, path) in EXCEPTIONS:
            excused.add((rule, path))
        else:
            breaches.append(f"{path}:{number}: {rule}: {message}")
    for rule, path in sorted(key for key in set(EXCEPTIONS) - excused if key[1] in texts):
        breaches.append(f"{path}:1: exception: {rule} is excused in scripts/check_source.py and not broken")
    for line in breaches:
        print(line)
    print_measures(texts)
    print(f"check_source: {len(texts)} files, {len(breaches)} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
