# SPDX-License-Identifier: Apache-2.0
"""Random Buildfiles with contexts, the same for the same seed, and the way from one that differs to a small one.

The grammar leaves out what is known to differ (differences.md), so that what it finds is new.
"""

import dataclasses
import random
import re

from engines import Case
from fixtures import tar
from support.case import File, Folder, HardLink, Link

NAMES = ("a", "b", "c.txt", "d.txt", ".h", "a b", "é")
FOLDERS = ("d", "e", "d/s", "d/s/t", "e.d")
LINK_TARGETS = ("a", "b", "d", "../a", "d/s", "/a", "/d/a", "nowhere", "s", ".")
VARIABLES = ("A", "B", "C", "NONE")
# Differences that a grammar cannot keep out: what is said of them, and of the Buildfile.
KNOWN = (
    (r"^refused by both", ""),
    (r"^refused by buildah: .*locating new copy of image", ""),  # what changes nothing is not written to a folder
    (r"^refused by buildah: .*[*\[].*(no such file|matched nothing)", ""),  # a pattern may match nothing
    (r"^refused by buildah: .*fork/exec .*permission denied", ""),  # in a workdir that the user may not enter
    (r"^refused by imgbuild: .*cannot replace .* with ", ""),  # buildah removes what is in the way
    (r"^links of buildah: .*: one (symlink|fifo) there", ""),  # imgbuild keeps names together of files only
    (r"^links of imgbuild", r"(?m)^(COPY|ADD) .*[*\[].* "),  # buildah takes what a pattern matches one by one
)
PLACES = ("/x", "/x/y", "/x/a", "/w", "/f/dir", "/f/dir/sub", "/f/link-to-dir", "/f/absolute/n", "/f/chain", "/f/climber/c",
          "/f/sticky/new", "/new/deep/er", "rel", "rel/more", "../up", ".", "/f/file")
THERE = ("/f/dir/", "/f/sticky/", "/f/chain/", "/tmp/")
OWNERS = ("33", "33:8", "www-data", "bin:users", "7:users", "root", "0:5")
MODES = ("600", "0755", "444", "711")
PATTERNS = ("a", "d", "*.txt", "**/a", "d/*", "!d/a", "!*.txt", "**/s", "d/s/", "/e", "*", "!e", "?", "[ab]", "d/**",
            "# a", "**", "e/../a", "*/a", "**/*.txt")
COMMANDS = (
    "chmod 600 /f/file && chmod 711 /f/dir", "chown 11:12 /f/file /f/dir", "rm -r /f/dir",
    "rm -r /f/dir && mkdir /f/dir && touch /f/dir/n",
    "rm -rf /x && mkdir -p /x/y && touch /x/y/z", "rm -rf /x && echo x > /x",
    "mkdir -p /x && ln -sf /f/dir /x/l", "mkdir -p /w && chmod 700 /w",
    "mv /f/dir /f/moved", "rm -f /f/hard1", "ln /f/hard1 /f/hard3", "rm -rf /x/* /w",
    "echo $A-$B-${C-unset} > /vars", "pwd > /where", "id > /tmp/id",
    "find / -xdev -name '*.txt' | sort > /tmp/list", "rm -r /home && ln -s f /home",
)

# What the random commands change.
TOUCHED = ("/x", "/x/a", "/x/b", "/x/d", "/x/d/a", "/x/d/e", "/x/d/e/f", "/f/dir", "/f/dir/file", "/f/dir/sub", "/f/dir/sub/deep",
           "/f/file", "/f/hard1", "/f/hard2", "/f/link-to-dir", "/f/link-to-dir/n", "/f/suid", "/f/sticky", "/f/empty", "/w", "/home", "/n")


class Writer:
    """One random Buildfile and its context."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.files = {}
        self.lines = []
        self.stages = 0
        self.arguments = []  # of the stage that is being written: buildah forgets them in one made from it
        self.linked = False  # a command may have made hard links
        self.shell = False  # buildah does not use SHELL for CMD and ENTRYPOINT

    def one(self, choices):
        return self.random.choice(choices)

    def often(self, probability):
        return self.random.random() < probability

    def context(self):
        for path in self.random.sample(FOLDERS, self.random.randint(1, 4)):
            self.files[path] = Folder(self.one((0o755, 0o755, 0o700, 0o1777)))
        folders = ["", *(path + "/" for path in self.files)]
        for _ in range(self.random.randint(3, 9)):
            path = self.one(folders) + self.one(NAMES)
            plain = [name for name, what in self.files.items() if isinstance(what, File)]
            if path in self.files:
                continue
            if self.often(0.15):
                self.files[path] = Link(self.one(LINK_TARGETS))
            elif plain and self.often(0.1):
                self.files[path] = HardLink(self.one(plain))
            else:
                self.files[path] = File(self.one(("", "1\n", "some text\n")).encode(), self.one((0o644, 0o600, 0o755, 0o444)))
        self.files.setdefault("a", File(b"always\n", 0o640))
        if self.often(0.3):
            self.files["t.tar"] = self.archive()
        if self.often(0.3):
            rules = [self.one(PATTERNS) for _ in range(self.random.randint(1, 4))]
            self.files[".dockerignore"] = "\n".join(rules) + self.one(("", "\n"))

    def archive(self):
        entries = {}
        for _ in range(self.random.randint(1, 6)):
            name = self.one(("", "d/", "d/s/", "sub/", "l/")) + self.one(NAMES)
            made = [path for path, what in entries.items() if isinstance(what[0], str)]
            what = self.one((None, "tar\n", "tar\n", Link("d"), HardLink(self.one(made)) if made else "first\n"))
            owner = (self.one((0o644, 0o755, 0o700)), self.one((0, 5)), self.one((0, 6)))
            # Of a hard link that says another mode than its file, buildah believes the link.
            entries.setdefault(name, (what, *(entries[what.path][1:] if isinstance(what, HardLink) else owner)))
        # A name that is a file cannot be a directory on the way of another.
        folders = {name for name, (what, *_) in entries.items() if what is None}
        return tar(*((name, *what) for name, what in entries.items()
                     if all(up in folders or up not in entries for up in ups(name))))

    def word(self):
        """A value as ENV, LABEL and ARG take it, quoted where it needs to be."""
        name = self.one((*VARIABLES, *self.arguments))
        form = self.one(("plain", "x", "", f"${name}", f"${{{name}}}", f"${{{name}:-d}}", f"${{{name}:+s}}",
                         f"${{{name}:-$B}}", "a$" + name + "b", f"\\${name}", "a=b", "é", "x.y/z"))
        return self.one((form, form, f'"{form}"', f'"{form} two"', f"'{form}'", f"{form}\\ two", f'{form}"q"'))

    def pairs(self):
        names = self.random.sample(("A", "B", "C", "D"), self.random.randint(1, 2))
        return " ".join(f"{name}={self.word()}" for name in names)

    def sources(self):
        names = [path for path, what in self.files.items() if path not in (".dockerignore", "t.tar")]
        found = []
        for _ in range(self.one((1, 1, 1, 2, 3))):
            path = self.one((self.one(names), self.one(names), self.one(names), ".", "*.txt", "*/a", "d*", "[ab]"))
            found.append(path + self.one(("", "", "", "/", "/.")) if isinstance(self.files.get(path), Folder) else path)
        return found

    def destination(self, several):
        place = self.one(PLACES)
        return place + "/" if several or self.often(0.35) else place

    def copy(self):
        keyword, sources, flags = "COPY", self.sources(), []
        if self.often(0.15):
            keyword = "ADD"
            if "t.tar" in self.files and self.often(0.8):
                sources = ["t.tar"]
        elif self.stages and self.often(0.4):
            flags.append(f"--from={self.one((f's{self.stages - 1}', '0'))}")
            sources = self.random.sample(("/x", "/f", "/f/dir", "/f/file", "/f/link-to-dir", "/f/*", "/f/hard*"),
                                         self.one((1, 1, 2)))
        if self.often(0.25) and sources != ["t.tar"]:  # buildah ignores it for archives
            flags.append(f"--chown={self.one(OWNERS)}")
        if self.often(0.15) and keyword == "COPY":
            flags.append(f"--chmod={self.one(MODES)}")
            destination = self.one(THERE)  # buildah gives the mode to no directory that it makes
        else:
            destination = self.destination(len(sources) > 1 or any(mark in name for name in sources for mark in "*["))
        words = [*sources, destination]
        if any(" " in word for word in words) or self.often(0.1):
            return " ".join([keyword, *flags, "[" + ", ".join(f'"{word}"' for word in words) + "]"])
        return " ".join([keyword, *flags, *words])

    def command(self):
        return self.one(('["echo", "$A"]', '["x"]', "[]", *(() if self.shell else ("echo $A", "exec x  y", "[x]"))))

    def argument(self):
        self.arguments.append(f"P{self.stages}")
        return f"P{self.stages}={self.word()}"

    def other_shell(self):
        self.shell = True
        return self.one(('["/bin/sh", "-ec"]', '["/bin/ash", "-c"]'))

    def config(self):
        kind = self.one(("ENV", "ENV", "ENV", "ARG", "LABEL", "WORKDIR", "WORKDIR", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "CMD",
                         "CMD", "ENTRYPOINT", "ENTRYPOINT", "SHELL", "HEALTHCHECK", "ONBUILD"))
        text = {
            "ENV": self.pairs, "LABEL": self.pairs,
            "ARG": self.argument,
            # None that a command removes: buildah makes those again.
            "WORKDIR": lambda: self.one(("/v", "rel", "/v/deep/er", "../up", "/f", "/${A:-q}/v", "/")),
            "USER": lambda: self.one(("bin", "33", "33:8", "mail:users", "${A:-bin}", "0")),
            # Directories that are there, since buildah makes others; where no command writes, since buildah drops that.
            "VOLUME": lambda: self.one(("/vol", "/vol /var/log", '["/vol", "/var/log"]', "/${NONE:-var}/log")),
            "EXPOSE": lambda: self.one(("80", "90/udp 81", "443/tcp")),
            "STOPSIGNAL": lambda: self.one(("SIGTERM", "9", "${A:-INT}")),
            "CMD": self.command, "ENTRYPOINT": self.command,
            "SHELL": self.other_shell,
            "HEALTHCHECK": lambda: self.one(("NONE", "CMD true", '--interval=3s --retries=2 CMD ["x", "$A"]')),
            "ONBUILD": lambda: self.one(("ENV T=1", "COPY a /by-trigger/", "WORKDIR /by-trigger", "LABEL t=$A")),
        }[kind]()
        return f"{kind} {text}"

    def script(self):
        """Some changes of files in one command, of which any may fail."""
        steps = []
        for _ in range(self.random.randint(2, 7)):
            path, other = self.random.sample(TOUCHED, 2)
            forms = [f"mkdir -p {path}", f"mkdir {path}", f"rm -rf {path}", f"rm -r {path}; mkdir {path}", f"rm {path}", f"ln -s {other} {path}",
                     f"ln -sfn {other} {path}", f"mv {path} {other}", f"cp -a {path} {other}", f"mkfifo {path}", f"rmdir {path}"]
            if not self.linked:
                # The steps of buildah share one layer here: a change of a linked file changes all its names, where
                # each step by itself leaves the names of lower layers as they were.
                forms += [f"echo {self.random.randint(1, 9)} > {path}", f"chmod {self.one(MODES)} {path}", f"chown 5:6 {path}",
                          f"chmod u+s {path}", f"touch {path}", f"echo more >> {path}"]
            steps.append(self.one(forms))
        if not self.linked:
            self.linked = True
            steps += [f"ln {other} {path}" for path, other in (self.random.sample(TOUCHED, 2),)]
        return "( " + "; ".join(steps) + "; true ) 2> /dev/null"

    def stage(self, last):
        bases = ["localhost/base"] * 4 + ["localhost/configured", "localhost/triggers"] + [f"s{n}" for n in range(self.stages)] * 2
        base = self.one(bases)
        self.arguments = []
        self.shell = self.shell or base == "localhost/configured"
        self.lines.append(f"FROM {base}" + ("" if last else f" AS s{self.stages}"))
        commands = self.one((0, 0, 1, 2))
        for _ in range(self.random.randint(2, 7)):
            if commands and self.often(0.3):
                commands -= 1
                self.lines.append(f"RUN {self.script() if self.linked or self.often(0.6) else self.one(COMMANDS)}")
            else:
                self.lines.append(self.copy() if self.often(0.55) else self.config())
        self.stages += 1

    def write(self):
        self.context()
        count = self.one((1, 1, 2, 3))
        for number in range(count):
            self.stage(number == count - 1)


def ups(path):
    """The directories on the way to a path: d and d/s of d/s/a."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def case_of(seed):
    writer = Writer(seed)
    writer.write()
    return Case(f"seed {seed}", "\n".join(writer.lines) + "\n", writer.files)


def unknown(case, found):
    """The differences without those that are known."""
    return {place: text for place, text in found.items()
            if not any(re.search(said, f"{place}: {text}", re.DOTALL) and re.search(written, case.text) for said, written in KNOWN)}


def kinds(found):
    """What sort of difference there is, which stays the same while a case gets smaller."""
    return {"files" if place.startswith("/") else "links" if place.startswith("links") else place for place in found}


def smaller(case):
    """Cases with one instruction, one file or one word less."""
    lines = case.text.splitlines()
    for number in reversed(range(len(lines))):
        yield dataclasses.replace(case, text="\n".join(lines[:number] + lines[number + 1:]) + "\n")
    for path in case.files:
        rest = {name: what for name, what in case.files.items() if name != path and not name.startswith(path + "/")}
        if all(what.path in rest for what in rest.values() if isinstance(what, HardLink)):
            yield dataclasses.replace(case, files=rest)
    for number, line in enumerate(lines):
        words = re.findall(r"\S+", line)
        for place in range(1, len(words) if len(words) > 2 else 0):
            fewer = " ".join(words[:place] + words[place + 1:])
            yield dataclasses.replace(case, text="\n".join([*lines[:number], fewer, *lines[number + 1:]]) + "\n")


def minimise(bench, case, found):
    """The smallest case on the way that still differs in the same sort, and its differences."""
    wanted = kinds(found)
    going = True
    while going:
        going = False
        for candidate in smaller(case):
            now = unknown(candidate, bench.compare(candidate))
            if kinds(now) & wanted:
                case, found, going = candidate, now, True
                break
    return case, found


def show(case):
    """The lines of a case for people: the Buildfile, and the context as Python writes it."""
    return ["Buildfile:", *("    " + line for line in case.text.splitlines()), "context:",
            *(f"    {path!r}: {what if len(repr(what)) < 200 else '…'}" for path, what in sorted(case.files.items()))]
