# SPDX-License-Identifier: Apache-2.0
"""What makes a step be done again and what does not: a row for each, foretold by `imgbuild plan`, which keys steps as a
build does and runs nothing. Every stage holds one step or two, so that a row says which of them it is about."""

import dataclasses
import json
import os
import shutil

from support.case import EndToEnd, Link

# The letters name the stages whose last step is looked at.
BUILDFILE = """\
ARG GLOBAL=g
FROM busybox AS file
COPY one /one
FROM busybox AS folder
COPY dir /copied
FROM busybox AS wild
COPY *.txt /texts/
FROM busybox AS excluded
COPY --exclude=*.md docs /docs
FROM busybox AS linked
COPY link /linked
FROM busybox AS plain
RUN echo plain
FROM busybox AS argument
ARG USED=1
RUN echo argument
FROM busybox AS before
RUN echo before
ARG USED=1
FROM busybox AS hidden
ARG USED=1
ENV USED=constant
RUN echo hidden
FROM busybox AS epoch
ARG SOURCE_DATE_EPOCH
RUN echo epoch
FROM busybox AS bound
RUN --mount=type=bind,source=dir,target=/src cat /src/a
FROM busybox AS secret
RUN --mount=type=secret,id=token true
FROM busybox AS cache
RUN --mount=type=cache,target=/cache true
FROM busybox AS settings
WORKDIR /work
USER 1000
ENV A=1 B=2
RUN echo settings
FROM scratch AS twin
COPY one /one
FROM scratch AS other_twin
COPY one /one
FROM scratch
"""
STAGES = [line.split(" AS ")[1] for line in BUILDFILE.splitlines() if " AS " in line]
BUILDFILE += "".join(f"COPY --from={stage} / /{stage}/\n" for stage in STAGES)
ALL_RUNS = {"plain", "argument", "before", "hidden", "epoch", "bound", "secret", "cache", "settings"}


@dataclasses.dataclass
class Row:
    """A change and the stages whose steps it makes be done again."""

    name: str
    stages: set = dataclasses.field(default_factory=set)
    flags: tuple = ()
    replace: tuple = ()  # (old, new) in the Buildfile
    change: object = None  # a function of the context's path


def write(name, text):
    def change(folder):
        with open(os.path.join(folder, name), "w", encoding="ascii") as file:
            file.write(text)
    return change


def move(old, new):
    return lambda folder: os.rename(os.path.join(folder, old), os.path.join(folder, new))


def make_executable(folder):
    os.chmod(os.path.join(folder, "one"), 0o755)


def remove_file(folder):
    os.unlink(os.path.join(folder, "dir", "b"))


def touch(folder):
    for name in ("one", "dir/a", "first.txt"):
        os.utime(os.path.join(folder, name), (1_900_000_000, 1_900_000_000))


def relink(folder):
    os.unlink(os.path.join(folder, "dir", "to"))
    os.symlink("b", os.path.join(folder, "dir", "to"))


ROWS = [
    Row("nothing"),
    # Files: content, names and modes, never times (spec 8.2).
    Row("times", change=touch),
    Row("content of a file", {"file", "twin", "other_twin"}, change=write("one", "2\n")),
    Row("mode of a file", {"file", "twin", "other_twin"}, change=make_executable),
    Row("content in a directory", {"folder", "bound"}, change=write("dir/a", "2\n")),
    Row("a file more in a directory", {"folder", "bound"}, change=write("dir/new", "")),
    Row("a file less in a directory", {"folder", "bound"}, change=remove_file),
    Row("a file renamed in a directory", {"folder", "bound"}, change=move("dir/b", "dir/c")),
    Row("a link in a directory", {"folder", "bound"}, change=relink),
    Row("the directory's own name", change=move("dir", "renamed"), replace=(("COPY dir ", "COPY renamed "),
                                                                            ("source=dir,", "source=renamed,"))),
    Row("the name of a file that a pattern matches", {"wild"}, change=move("first.txt", "other.txt")),
    Row("the content of one", {"wild"}, change=write("first.txt", "2\n")),
    Row("a file more that it matches", {"wild"}, change=write("third.txt", "")),
    Row("a file that it does not match", change=write("third.bin", "")),
    Row("a file that is excluded", change=write("docs/notes.md", "2\n")),
    Row("a file that is not", {"excluded"}, change=write("docs/page", "2\n")),
    Row("what a link stands for", {"linked"}, change=write("target", "2\n")),
    Row("a file that nobody copies", change=write("unused", "2\n")),
    Row("an ignored file", change=write("ignored", "2\n")),
    # RUN: what its process sees (spec 8.3).
    Row("the command", {"plain"}, replace=(("echo plain", "echo  plain"),)),
    Row("a comment and an empty line", replace=(("RUN echo plain", "# why\n\nRUN echo plain"),)),
    Row("the case of a keyword", replace=(("RUN echo plain", "run echo plain"),)),
    Row("the environment", {"settings"}, replace=(("A=1", "A=2"),)),
    Row("its order", {"settings"}, replace=(("A=1 B=2", "B=2 A=1"),)),
    Row("the user", {"settings"}, replace=(("USER 1000", "USER 1001"),)),
    Row("the working directory", {"settings"}, replace=(("WORKDIR /work", "WORKDIR /other"),)),
    Row("no network", {"plain"}, replace=(("RUN echo plain", "RUN --network=none echo plain"),)),
    Row("the network of the host", {"plain"}, ("--allow", "network.host"),
        (("RUN echo plain", "RUN --network=host echo plain"),)),
    Row("security", {"plain"}, ("--allow", "security.insecure"),
        (("RUN echo plain", "RUN --security=insecure echo plain"),)),
    Row("where a mount is", {"bound"}, replace=(("target=/src cat", "target=/source cat"),)),
    Row("that it can be written to", {"bound"}, replace=(("target=/src cat", "target=/src,rw cat"),)),
    Row("the id of a secret", {"secret"}, replace=(("id=token", "id=other"),)),
    Row("its mode", {"secret"}, replace=(("id=token", "id=token,mode=0440"),)),
    Row("that it is required", {"secret"}, ("--secret", "id=token,env=TOKEN"), (("id=token", "id=token,required"),)),
    Row("its content", flags=("--secret", "id=token,env=TOKEN")),
    Row("the id of a cache", {"cache"}, replace=(("target=/cache", "target=/cache,id=other"),)),
    Row("limits", ALL_RUNS, ("--ulimit", "nofile=1024")),
    Row("added hosts", ALL_RUNS, ("--add-host", "name:10.0.0.1")),
    Row("the size of /dev/shm", ALL_RUNS, ("--shm-size", "1m")),
    Row("the host's name in the sandbox", ALL_RUNS, ("--build-arg", "BUILDKIT_SANDBOX_HOSTNAME=other")),
    Row("a proxy", flags=("--build-arg", "HTTP_PROXY=http://proxy:1")),
    # Arguments: every RUN below their ARG sees them (spec 2.4.4 and 8.4).
    Row("an argument", {"argument"}, ("--build-arg", "USED=2")),
    Row("the same by its default", {"argument"},
        replace=(("ARG USED=1\nRUN echo argument", "ARG USED=2\nRUN echo argument"),)),
    Row("an argument that nobody declares", flags=("--build-arg", "UNKNOWN=1")),
    Row("a global argument that no stage takes", flags=("--build-arg", "GLOBAL=h")),
    Row("the order of arguments", {"argument"}, ("--build-arg", "GLOBAL=h", "--build-arg", "USED=2")),
    Row("the time of files, where it is declared", {"epoch"}, ("--build-arg", "SOURCE_DATE_EPOCH=1")),
    # What is no file.
    Row("the config", replace=(("FROM scratch\nCOPY --from=file", "FROM scratch\nLABEL a=b\nCOPY --from=file"),)),
    Row("jobs and progress", flags=("--jobs", "1", "--progress", "rawjson")),
    Row("names and outputs", flags=("-t", "name", "-o", "type=cacheonly")),
]


class Matrix(EndToEnd):
    def setUp(self):
        super().setUp()
        self.files = self.context({
            "Buildfile": BUILDFILE, ".dockerignore": "ignored\n", "ignored": "1\n", "unused": "1\n", "one": "1\n",
            "dir/a": "1\n", "dir/b": "1\n", "dir/to": Link("a"), "first.txt": "1\n", "second.txt": "1\n",
            "docs/page": "1\n", "docs/notes.md": "1\n", "target": "1\n", "link": Link("target")})

    def foretold(self, files, flags=()):
        """For each stage what would happen to its last step."""
        plan = json.loads(self.imgbuild("plan", *flags, files, env={"TOKEN": "hunter2"}).stdout)
        return {node["stage"]: node["cache"] for node in plan["nodes"] if node.get("cache") and node["stage"] in STAGES}

    def test_each_row_of_the_matrix(self):
        self.build("-o", "type=cacheonly", self.files)
        for row in ROWS:
            with self.subTest(row.name):
                changed = self.path("changed")
                shutil.rmtree(changed, ignore_errors=True)
                shutil.copytree(self.files, changed, symlinks=True)
                text = BUILDFILE
                for old, new in row.replace:
                    self.assertIn(old, text)
                    text = text.replace(old, new)
                write("Buildfile", text)(changed)
                if row.change:
                    row.change(changed)
                expected = {stage: "done" if stage in row.stages else "cached" for stage in STAGES}
                self.assertEqual(self.foretold(changed, row.flags), expected)

    def test_what_is_foretold_is_what_happens(self):
        self.build("-o", "type=cacheonly", self.files)
        write("dir/a", "2\n")(self.files)
        told = self.imgbuild("plan", "--explain", "--build-arg", "USED=2", self.files).stdout
        done = [line.split("] ")[1].split(" (")[0] for line in told.splitlines() if line.startswith("done ")]
        self.build("-o", "type=cacheonly", "--build-arg", "USED=2", self.files)
        explained = self.imgbuild("explain").stdout.splitlines()
        happened = [line.split("] ")[1].split(": done")[0] for line in explained if ": done in" in line]
        opened = [line.split("] ")[1].split(" (")[0] for line in told.splitlines() if line.startswith("open ")]
        self.assertEqual(set(done), {"COPY dir /copied", "RUN --mount=type=bind,source=dir,target=/src cat /src/a",
                                     "RUN echo argument", "COPY --from=folder / /folder/"})
        self.assertTrue(set(done) <= set(happened), (done, happened))
        self.assertTrue(set(happened) <= set(done) | set(opened), (happened, done, opened))

    def test_foretelling_changes_nothing(self):
        self.build("-o", "type=cacheonly", self.files)
        write("one", "2\n")(self.files)
        for _ in range(2):
            self.assertEqual(self.foretold(self.files)["file"], "done")
        self.build("--require-cached", "-o", "type=cacheonly", self.files, status=5)
        self.assertEqual(self.foretold(self.files)["file"], "done")


class Recipes(EndToEnd):
    """Files that only their content tells apart: moby/buildkit#4950 and docker/buildx#3093."""

    def copied(self, *arguments):
        out = self.path("out")
        shutil.rmtree(out, ignore_errors=True)
        self.build("-o", f"type=local,dest={out}", *arguments)
        found = {}
        for name in ("install.sh", "other.sh"):
            if os.path.exists(os.path.join(out, name)):
                with open(os.path.join(out, name), encoding="ascii") as file:
                    found[name] = file.read()
        return found

    def test_two_contexts_whose_files_have_one_name_size_and_time(self):
        for version in ("7.3", "7.4"):
            files = self.context({"Buildfile": "FROM busybox\nCOPY install.sh /\n", "install.sh": f"# {version} #\n"},
                                 f"context-{version}")
            self.assertEqual(self.copied(files), {"install.sh": f"# {version} #\n"})

    def test_two_contexts_of_one_build_whose_files_have_one_name_size_and_time(self):
        text = "FROM busybox\nCOPY --from=a install.sh /install.sh\nCOPY --from=b install.sh /other.sh\n"
        files = self.context({"Buildfile": text})
        contexts = [flag for name in "ab" for flag in
                    ("--build-context", f"{name}={self.context({'install.sh': f'# {name} #'}, name)}")]
        self.assertEqual(self.copied(*contexts, files), {"install.sh": "# a #", "other.sh": "# b #"})

    def test_a_file_that_was_written_again_with_its_size_and_time(self):
        files = self.context({"Buildfile": "FROM busybox\nCOPY install.sh /\n", "install.sh": "first."})
        path = os.path.join(files, "install.sh")
        before = os.stat(path)
        self.assertEqual(self.copied(files), {"install.sh": "first."})
        for text, replaces in (("second", False), ("third.", True)):
            if replaces:
                os.unlink(path)
            write("install.sh", text)(files)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            self.assertEqual((os.stat(path).st_size, os.stat(path).st_mtime_ns), (before.st_size, before.st_mtime_ns))
            self.assertEqual(self.copied(files), {"install.sh": text})
