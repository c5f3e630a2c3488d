# SPDX-License-Identifier: Apache-2.0
"""--timestamps: times that files have in layers, what commands see of them, and what is built again for them."""

import os
import re
import shutil
import tarfile
import unittest

from support.bases import debian_tar
from support.case import EndToEnd, Link, need_tool
from support.git import Repository
from support.oci import open_layout
from support.web import serve_folder

CONSTANT = 315619200  # 1980-01-02T00:00:00Z
OLD, MIDDLE, LATE = 1_000_000_000, 1_200_000_000, 1_500_000_000
LIMIT = 1_300_000_000
COMMIT = 1_700_000_000  # of support.git

BUILDFILE = """FROM busybox AS other
COPY late /from/
FROM busybox
COPY old late folder /x/
COPY --from=other /from /y/
COPY <<EOF /z/heredoc
text
EOF
ADD archive.tar /w/
WORKDIR /made/here
RUN chmod 700 /x/late && touch -d @1200000000 /x/old && echo new > /x/new && mv /y/late /y/moved && touch -d @1250000000 /x/sub
RUN stat -c '%Y %n' /x/old /x/late /w/member > /seen
"""


class KeptTimes(EndToEnd):
    def setUp(self):
        super().setUp()
        self.files = self.context({"Buildfile": BUILDFILE, "old": "old\n", "late": "late\n", "folder/sub": "sub\n",
                                   "folder/link": Link("sub")})
        with tarfile.open(os.path.join(self.files, "archive.tar"), "w") as archive:
            member = tarfile.TarInfo("member")
            member.mtime = MIDDLE
            archive.addfile(member)
        for name, time in (("old", OLD + 0.5), ("late", LATE), ("folder/sub", OLD), ("folder/link", OLD), ("folder", OLD)):
            os.utime(os.path.join(self.files, name), (time, time), follow_symlinks=False)

    def image(self, name, *arguments, **env):
        return open_layout(self.export(name, *arguments, self.files, env=env))

    @staticmethod
    def times_of(image):
        """{path: time} of the topmost layer of ours that has it."""
        return {member.name.rstrip("/"): member.mtime for layer in image.layers()[1:] for member in layer
                if ".wh." not in member.name}

    @staticmethod
    def seen(image):
        """What the last command saw: {path: time}"""
        text = image.layers()[-1].extractfile("seen").read().decode()
        return {path: int(time) for time, path in (line.split() for line in text.splitlines())}

    def test_files_keep_the_times_that_they_have(self):
        image = self.image("preserved", "--timestamps=preserve")
        times = self.times_of(image)
        self.assertGreater(times["x/new"], LATE)
        expected = {"x/old": MIDDLE, "x/late": LATE, "x/link": OLD, "x/sub": 1_250_000_000, "y/moved": LATE,
                    "w/member": MIDDLE, "z/heredoc": CONSTANT, "x": CONSTANT, "made/here": CONSTANT}
        self.assertEqual({path: times[path] for path in expected}, expected)
        self.assertEqual(self.seen(image), {"/x/old": MIDDLE, "/x/late": LATE, "/w/member": MIDDLE})
        self.assertEqual(image.config["created"], "1980-01-02T00:00:00Z")
        for layer in image.layers()[1:]:
            for member in layer:
                self.assertNotIn("mtime", member.pax_headers, f"{member.name}: a fraction of a second")

    def test_no_time_is_later_than_the_limit(self):
        image = self.image("clamped", "--timestamps=clamp", SOURCE_DATE_EPOCH=str(LIMIT))
        times = self.times_of(image)
        expected = {"x/old": MIDDLE, "x/late": LIMIT, "x/new": LIMIT, "y/moved": LIMIT, "w/member": MIDDLE, "x/link": OLD}
        self.assertEqual({path: times[path] for path in expected}, expected)
        self.assertLessEqual(max(times.values()), LIMIT)
        self.assertEqual(self.seen(image), {"/x/old": MIDDLE, "/x/late": LIMIT, "/w/member": MIDDLE})
        self.assertEqual(image.config["created"], "2011-03-13T07:06:40Z")
        # Whatever is newer than the limit is equal, in another store and at another time too.
        os.utime(os.path.join(self.files, "late"), (LATE + 77, LATE + 77))
        again = self.image("clamped-again", "--timestamps=clamp", SOURCE_DATE_EPOCH=str(LIMIT),
                           IMGBUILD_STORE=self.path("other-store"))
        self.assertEqual(again.digest, image.digest)

    def test_layers_of_the_base_are_left_alone(self):
        plain = self.image("plain")
        for way in ("preserve", "clamp"):
            image = self.image(way, f"--timestamps={way}", SOURCE_DATE_EPOCH="1000")
            self.assertEqual(image.manifest["layers"][0], plain.manifest["layers"][0])

    def test_a_time_that_changes_is_an_input_where_times_are_kept_and_nowhere_else(self):
        fixed, kept = self.image("fixed"), self.image("kept", "--timestamps=preserve")
        os.utime(os.path.join(self.files, "late"), (LATE + 1, LATE + 1))
        self.assertEqual(self.image("fixed-again", "--require-cached").digest, fixed.digest)
        self.build("--require-cached", "--timestamps=preserve", self.files, status=5)
        changed = self.image("kept-again", "--timestamps=preserve")
        self.assertEqual(self.times_of(changed)["x/late"], LATE + 1)
        os.utime(os.path.join(self.files, "late"), (LATE, LATE))
        self.assertEqual(self.image("kept-at-last", "--require-cached", "--timestamps=preserve").digest, kept.digest)

    def test_results_of_one_way_are_none_of_another(self):
        ways = ("fixed", "clamp", "preserve")
        digests = [self.image(way, f"--timestamps={way}", SOURCE_DATE_EPOCH=str(LIMIT)).digest for way in ways]
        self.assertEqual(len(set(digests)), 3)
        other = {"IMGBUILD_STORE": self.path("other-store"), "SOURCE_DATE_EPOCH": str(LIMIT)}
        self.assertEqual(self.image("other", "--timestamps=clamp", **other).digest, digests[1])
        self.assertEqual(self.image("another", "--timestamps=fixed", **other).digest, digests[0])

    def test_of_an_archive_and_of_a_repository(self):
        tree = {"Buildfile": "FROM scratch\nCOPY . /\n", "file": "x\n"}
        folder = self.context(tree, "plain")
        os.utime(os.path.join(folder, "file"), (OLD, OLD))
        with tarfile.open(self.path("context.tar"), "w") as archive:
            archive.add(folder, ".")
        web = self.make_folder("web")
        Repository(self, "repository", tree, web)
        address, _ = serve_folder(self, web)
        for context, time in ((folder, OLD), (self.path("context.tar"), OLD), (f"{address}/repository.git", COMMIT)):
            for again in ("once", "again"):
                layout = self.export(f"{os.path.basename(context)}-{again}", "--timestamps=preserve", context)
                times = {member.name: member.mtime for member in open_layout(layout).layers()[-1]}
                self.assertEqual(times["file"], time, context)

    def test_what_cannot_be_asked_for(self):
        for way, text in (("clamp", "--timestamps=clamp: there is no SOURCE_DATE_EPOCH that says to which time"),
                          ("now", "--timestamps: now: no such way")):
            self.refuse(f"--timestamps={way}", self.files, status=2, says=text)


MAKEFILE = """OUT = /cache/make
$(OUT)/app: $(OUT)/a.o $(OUT)/b.o
\tcc -o $@ $^ && echo make app >> /made
$(OUT)/%.o: /src/%.c
\tmkdir -p $(OUT) && cc -c -o $@ $< && echo make $< >> /made
"""
NINJA = """builddir = /cache/ninja
rule cc
  command = cc -c -o $out $in && echo ninja $in >> /made
rule link
  command = cc -o $out $in && echo ninja app >> /made
build /cache/ninja/a.o: cc /src/a.c
build /cache/ninja/b.o: cc /src/b.c
build /cache/ninja/app: link /cache/ninja/a.o /cache/ninja/b.o
"""
BUILD_BOTH = """FROM gcc
COPY --chmod=755 ninja /usr/bin/
COPY src /src
RUN --mount=type=cache,target=/cache touch /made && make -s -f /src/Makefile && ninja --quiet -f /src/build.ninja && \\
    /cache/make/app > /says && /cache/ninja/app >> /says
"""
SOURCE = 'int b(void);\n#include <stdio.h>\nint main(void) { puts("%s"); return b(); }\n'


class CacheMounts(EndToEnd):
    def test_make_and_ninja_build_what_changed_and_nothing_else(self):
        """Objects stay in a cache mount. The time of a changed source says nothing: it may be older than before."""
        need_tool("ninja")
        self.imgbuild("import", debian_tar("gcc,libc6-dev,make"), "gcc")
        files = self.context({"Buildfile": BUILD_BOTH, "src/a.c": "", "src/b.c": "int b(void) { return 0; }\n",
                              "src/Makefile": MAKEFILE, "src/build.ninja": NINJA})
        shutil.copy(shutil.which("ninja"), os.path.join(files, "ninja"))

        def made(word, time, way):
            """What was made anew, and what the program says then, once a.c says this word and is of that time."""
            path = os.path.join(files, "src", "a.c")
            with open(path, "w", encoding="ascii") as file:
                file.write(SOURCE % word)
            os.utime(path, (time, time))
            out = self.path("out")
            shutil.rmtree(out, ignore_errors=True)
            self.build("--no-cache", f"--timestamps={way}", "-o", f"type=local,dest={out}", files,
                       env={"SOURCE_DATE_EPOCH": str(LIMIT)})
            logs = []
            for name in ("made", "says"):
                with open(os.path.join(out, name), encoding="ascii") as log:
                    logs.append(log.read().splitlines())
            return tuple(logs)

        changed = [f"{tool} {what}" for tool in ("make", "ninja") for what in ("/src/a.c", "app")]
        self.assertEqual(len(made("one", LATE, "fixed")[0]), 6)
        for word, time, way in (("two", OLD, "fixed"), ("one", MIDDLE, "clamp"), ("two", OLD, "preserve")):
            self.assertEqual(made(word, time, way), (changed, [word, word]), way)
            # Nothing changed but the time.
            self.assertEqual(made(word, LATE, way), ([], [word, word]), way)


BUILD_CRATES = """FROM cargo
COPY src /src
RUN --mount=type=cache,target=/cache cd /src && CARGO_HOME=/cache/home CARGO_TARGET_DIR=/cache/target \\
    cargo build --offline --verbose 2>/log && /cache/target/debug/app >/says
"""


@unittest.skipUnless(os.environ.get("IMGBUILD_TEST_CARGO"),
                     "the toolchain takes 0.8 GB: IMGBUILD_TEST_CARGO=1 has it fetched")
class Crates(EndToEnd):
    def test_cargo_compiles_the_crate_that_changed_and_no_other(self):
        self.imgbuild("import", debian_tar("cargo,libc6-dev,gcc"), "cargo")
        files = self.context({
            "Buildfile": BUILD_CRATES,
            "src/Cargo.toml": '[package]\nname = "app"\nversion = "1.0.0"\n[dependencies]\nlib = { path = "lib" }\n',
            "src/src/main.rs": "",
            "src/lib/Cargo.toml": '[package]\nname = "lib"\nversion = "1.0.0"\n',
            "src/lib/src/lib.rs": "pub fn f() {}\n"})

        def compiled(word, time):
            """The crates that were compiled, and what the program says, once its source says this word and is of that
            time."""
            path = os.path.join(files, "src", "src", "main.rs")
            with open(path, "w", encoding="ascii") as file:
                file.write(f'fn main() {{ lib::f(); println!("{word}"); }}\n')
            os.utime(path, (time, time))
            out = self.path("out")
            shutil.rmtree(out, ignore_errors=True)
            self.build("--no-cache", "-o", f"type=local,dest={out}", files)
            with open(os.path.join(out, "log"), encoding="utf-8") as log:
                crates = re.findall(r"^ +Compiling (\w+)", log.read(), re.MULTILINE)
            with open(os.path.join(out, "says"), encoding="ascii") as says:
                return crates, says.read().strip()

        self.assertEqual(compiled("one", LATE), (["lib", "app"], "one"))
        self.assertEqual(compiled("two", OLD), (["app"], "two"))
        self.assertEqual(compiled("two", LATE), ([], "two"))
        self.assertEqual(compiled("one", OLD), (["app"], "one"))
