# SPDX-License-Identifier: Apache-2.0
"""What is known is not done again, and what changed is."""

import json
import os
import pty
import random
import re
import shutil
import subprocess
import tarfile

from support import oci
from support.bases import busybox_tar
from support.case import ROOT, EndToEnd

# Every RUN leaves a random value: the same digest twice means that it did not run twice.
BUILDFILE = """
FROM busybox
WORKDIR /app
COPY first ./
RUN cat /proc/sys/kernel/random/uuid > uuid1
COPY second ./
RUN cat /proc/sys/kernel/random/uuid > uuid2
CMD ["true"]
"""


class Cache(EndToEnd):
    def setUp(self):
        super().setUp()
        self.files = self.context({"Buildfile": BUILDFILE, "first": "1\n", "second": "2\n"})

    def digest(self, *arguments):
        return self.imgbuild("build", "-q", *arguments, self.files).digest

    def change(self, name, text):
        with open(os.path.join(self.files, name), "w", encoding="ascii") as file:
            file.write(text)

    def test_a_second_build_does_nothing_again(self):
        first = self.build(self.files)
        self.assertEqual(first.cached_steps, 0)
        second = self.build(self.files)
        self.assertGreaterEqual(second.cached_steps, 2)
        self.assertEqual(self.digest("--require-cached"), self.digest())

    def test_the_same_digest_and_no_second_run(self):
        self.assertEqual(self.digest(), self.digest())

    def test_no_cache_runs_everything_again(self):
        self.assertNotEqual(self.digest(), self.digest("--no-cache"))

    def test_a_changed_file_runs_what_stands_behind_it_and_nothing_before(self):
        before = self.tree_ids()
        self.change("second", "two\n")
        after = self.tree_ids()
        self.assertEqual(before["uuid1"], after["uuid1"])
        self.assertNotEqual(before["uuid2"], after["uuid2"])

    def tree_ids(self):
        out = self.path("out")
        self.build("-o", f"type=local,dest={out}", self.files)
        ids = {}
        for name in ("uuid1", "uuid2"):
            with open(os.path.join(out, "app", name), encoding="ascii") as file:
                ids[name] = file.read()
        return ids

    def test_a_touched_file_changes_nothing(self):
        before = self.digest()
        os.utime(os.path.join(self.files, "first"), (1_800_000_000, 1_800_000_000))
        self.assertEqual(self.digest(), before)

    def test_a_changed_mode_is_a_change(self):
        before = self.digest()
        os.chmod(os.path.join(self.files, "first"), 0o600)
        self.assertNotEqual(self.digest(), before)

    def test_a_file_that_nothing_copies_changes_nothing(self):
        before = self.digest()
        self.change("third", "not copied\n")
        self.assertEqual(self.digest(), before)

    def test_a_config_instruction_makes_no_step_run(self):
        self.build(self.files)
        self.change("Buildfile", BUILDFILE + "LABEL new=one\nENV LATE=1\n")
        self.digest("--require-cached")

    def test_a_step_that_gives_the_same_again_does_not_disturb_what_follows(self):
        text = "FROM busybox AS a\nRUN true {} && echo same > /out\nFROM busybox\nCOPY --from=a /out /out\n" \
               "RUN cat /proc/sys/kernel/random/uuid > /uuid\n"
        self.change("Buildfile", text.format("once"))
        before = self.digest()
        self.change("Buildfile", text.format("twice"))
        self.assertEqual(self.digest(), before)

    def test_a_changed_base_uses_every_layer_of_copies_again(self):
        tars = {}
        for name in ("one", "two"):
            tars[name] = self.path(f"{name}.tar")
            shutil.copy(busybox_tar(self), tars[name])
            with tarfile.open(tars[name], "a") as tar:
                entry = tarfile.TarInfo(f"etc/{name}")
                tar.addfile(entry)
            self.imgbuild("import", tars[name], f"base:{name}")
        self.change("Buildfile", "ARG BASE\nFROM base:$BASE\nCOPY first /first\n"
                                 "RUN cat /proc/sys/kernel/random/uuid > /id\nCOPY second /second\n")
        layouts = [self.export(name, "--build-arg", f"BASE={name}", self.files) for name in tars]
        layers = [[layer["digest"] for layer in oci.open_layout(layout).manifest["layers"]] for layout in layouts]
        self.assertNotEqual(layers[0][0], layers[1][0])
        self.assertEqual((layers[0][1], layers[0][3]), (layers[1][1], layers[1][3]))
        steps = [line for line in self.imgbuild("explain").stdout.splitlines() if line.startswith("[")]
        self.assertEqual([step.split(": ")[-1].split(" in")[0] for step in steps[1:]], ["cached", "done", "cached"])

    def test_the_same_step_at_once_is_run_once(self):
        run = "RUN sleep 1 && cat /proc/sys/kernel/random/uuid > /id\n"
        self.change("Buildfile", f"FROM busybox AS a\n{run}FROM busybox AS b\n{run}"
                                 "FROM scratch\nCOPY --from=a /id /a\nCOPY --from=b /id /b\n")
        outs = [self.path(name) for name in ("first", "second")]
        for process in [self.start("build", "--jobs", "4", "-o", out, self.files) for out in outs]:
            self.finish(process)
        self.build("--no-cache", "--jobs", "4", "-o", self.path("third"), self.files)
        ids = {}
        for out in (*outs, self.path("third")):
            for name in "ab":
                with open(os.path.join(out, name), encoding="ascii") as file:
                    ids.setdefault(file.read(), []).append(os.path.basename(out))
        self.assertEqual(sorted(ids.values()), [["first"] * 2 + ["second"] * 2, ["third"] * 2])

    def test_require_cached_fails_with_its_own_exit_code(self):
        self.build("--require-cached", self.files, status=5)
        self.assert_store_is_sound()

    def test_a_failed_build_keeps_what_was_finished(self):
        self.change("Buildfile", BUILDFILE + "RUN false\n")
        self.build(self.files, status=1)
        self.change("Buildfile", BUILDFILE)
        self.digest("--require-cached")

    def test_a_cache_mount_keeps_its_content_and_stays_out_of_the_image(self):
        self.change("Buildfile", "FROM busybox\nARG N=1\nRUN --mount=type=cache,target=/cache "
                                 "echo $N >> /cache/log && cp /cache/log /seen\n")
        self.build(self.files)
        out = self.path("out")
        self.build("--build-arg", "N=2", "-o", f"type=local,dest={out}", self.files)
        with open(os.path.join(out, "seen"), encoding="ascii") as file:
            self.assertEqual(file.read(), "1\n2\n")
        self.assertFalse(os.path.exists(os.path.join(out, "cache", "log")))


class Explained(EndToEnd):
    """Why a step was done, and what the store remembers of builds."""

    BUILDFILE = "FROM busybox\nARG TOKEN=hunter1\nENV MODE=one\nCOPY src /app\nRUN cat /app/a\nRUN echo end\n"

    def setUp(self):
        super().setUp()
        self.files = self.context({"Buildfile": self.BUILDFILE, "src/a": "1\n", "src/b": "1\n"})

    def causes(self, *arguments):
        return [line.split(" because: ")[1] for line in self.build("--explain", *arguments, self.files).stderr.splitlines()
                if " because: " in line]

    def change(self, name, old, new):
        with open(os.path.join(self.files, name), encoding="ascii") as file:
            text = file.read()
        with open(os.path.join(self.files, name), "w", encoding="ascii") as file:
            file.write(text.replace(old, new))

    def test_the_examples_of_the_documentation_are_what_it_says(self):
        text = "FROM busybox\nARG VERSION=1\nCOPY src /app\nRUN cat /app/a\n"
        self.context({"Buildfile": text, "src/a": "1\n", "src/b": "1\n"})
        self.build("-t", "app", self.files)
        self.change("src/a", "1", "2")
        os.unlink(os.path.join(self.files, "src", "b"))
        plan = self.imgbuild("plan", "--explain", self.files).stdout
        build = self.build("--explain", "-t", "app", self.files).stderr
        refused = self.build("--require-cached", "--build-arg", "VERSION=2", self.files, status=5).stderr
        for version in (2, 3, 4):
            self.build("--build-arg", f"VERSION={version}", self.files)
        advice = self.imgbuild("advise", self.files).stdout
        explained = self.imgbuild("explain", "4").stdout
        said = "\n".join((plan, build, refused, advice, explained))
        said = said.replace(f"{self.files}/Buildfile", "Buildfile").replace(self.files, "/src/app")
        said = re.sub(r"\d+\.\d+s", "0.1s", re.sub(r", \d+\.\d+s in all", "", said)).splitlines()
        with open(os.path.join(ROOT, "docs", "caching.md"), encoding="utf-8") as file:
            examples = [line[4:].rstrip("\n") for line in file if line.startswith("    ")]
        self.assertGreater(len(examples), 20)
        commands = [line for line in examples if line.startswith("$ ")]
        self.assertEqual([line for line in examples if line not in said and line not in commands], [])

    def test_each_cause_is_named(self):
        self.assertEqual(self.causes(), ["nothing like it was done before"] * 3)
        self.assertEqual(self.causes(), [])
        self.change("src/a", "1", "2")
        os.rename(os.path.join(self.files, "src", "b"), os.path.join(self.files, "src", "c"))
        below = "the result of the step before it changed"
        self.assertEqual(self.causes(), ["files of the source changed", "changed /app/a (content)", "removed /app/b",
                                         "added /app/c", below, below])
        self.assertEqual(self.causes("--build-arg", "TOKEN=hunter2"), ["build argument TOKEN changed"] * 2)
        self.change("Buildfile", "ENV MODE=one", "ENV MODE=two\nENV NEW=1")
        self.assertEqual(self.causes("--build-arg", "TOKEN=hunter2"),
                         ["environment MODE changed", "environment NEW is new"] * 2)
        self.change("Buildfile", "echo end", "echo the end")
        self.assertEqual(self.causes("--build-arg", "TOKEN=hunter2"), ["the command changed"])
        self.assertEqual(self.causes("--no-cache", "--build-arg", "TOKEN=hunter2"), ["--no-cache asks for it"] * 3)

    def records(self):
        """Of each build that is recorded the whole text, and the text of all but the Buildfile as it was written."""
        folder = os.path.join(self.store, "builds")
        found = []
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = file.read()
            document = json.loads(text)
            document.get("inputs", {}).pop("buildfile", None)
            found.append((text, json.dumps(document)))
        self.assertTrue(found)
        return found

    def test_values_of_arguments_are_in_no_cause_and_no_record(self):
        self.build(self.files)
        self.assertNotIn("hunter", " ".join(self.causes("--build-arg", "TOKEN=hunter2")))
        self.assertNotIn("hunter", self.imgbuild("explain").stdout)
        for text, besides in self.records():
            self.assertNotIn("hunter2", text)
            self.assertNotIn("hunter", besides)

    def test_values_that_instructions_are_made_of_are_in_no_record(self):
        self.change("Buildfile", "COPY src /app", "COPY src /app/$TOKEN\nWORKDIR /$TOKEN")
        self.change("Buildfile", "cat /app/a", "--mount=type=secret,id=key true")
        shown = self.build("--require-cached=stage-0", self.files, status=5)
        self.assertNotIn("hunter", shown.stderr.split("imgbuild: not cached")[1])
        self.build("--secret", "id=key,env=KEY", self.files, env={"KEY": "swordfish"})
        for text, besides in self.records():
            self.assertNotIn("swordfish", text)
            self.assertNotIn("hunter", besides)
        with open(os.path.join(self.store, "store.db"), "rb") as file:
            self.assertNotIn(b"TOKEN=hunter", file.read())

    def test_a_build_says_in_a_line_how_much_it_found(self):
        self.assertRegex(self.build(self.files).stderr, r"\n4 steps: \d cached, \d done")
        self.assertIn("\n4 steps, all cached", self.build(self.files).stderr)
        self.assertEqual(self.imgbuild("build", "-q", self.files).stderr, "")

    def test_causes_are_shown_on_a_terminal_too(self):
        master, slave = pty.openpty()
        process = subprocess.Popen([self.program, "build", "--explain", self.files], env=self.environment(TERM="xterm"),
                                   stderr=slave, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        os.close(slave)
        shown = b""
        try:
            while chunk := os.read(master, 65536):
                shown += chunk
        except OSError:
            pass  # how a terminal says that nobody writes to it any more
        os.close(master)
        self.assertEqual(process.wait(60), 0)
        self.assertIn(b"because: nothing like it was done before", shown)
        self.assertIn(b"building: ", shown)

    def test_steps_of_lines_and_stages_are_done_again_or_required(self):
        self.change("Buildfile", "FROM busybox", "FROM busybox AS one")
        self.build(self.files)
        self.assertEqual(self.causes("--no-cache=5"), ["--no-cache asks for it"])
        self.assertEqual(self.causes("--no-cache=4,6"), ["--no-cache asks for it"] * 2)
        self.assertEqual(self.causes("--no-cache=false"), [])
        self.assertIn("no step of this build stands in line 2", self.build("--no-cache=2", self.files).stderr)
        self.assertIn("expected lines", self.build("--no-cache=one", self.files, status=2).stderr)
        self.assertIn("did you mean one?", self.build("--require-cached=on", self.files, status=2).stderr)
        self.build("--require-cached=one", self.files)
        self.change("src/a", "1", "2")
        self.assertIn("because: changed /app/a (content)",
                      self.build("--require-cached=one", self.files, status=5).stderr)

    def test_advice_comes_from_what_builds_came_to(self):
        self.change("Buildfile", "RUN cat /app/a", "RUN echo install > /installed")
        for value in "2345":
            self.build(self.files)
            self.change("src/a", str(int(value) - 1), value)
        self.assertIn("Buildfile:5: COPY src /app before RUN echo install > /installed changed 3 times, its output "
                      "never", self.imgbuild("advise", self.files).stdout)
        self.assertIn("nothing to advise from 0 builds", self.imgbuild("advise", self.folder).stdout)

    def test_a_build_is_explained_afterwards(self):
        self.build(self.files)
        self.build("--build-arg", "TOKEN=hunter2", self.files)
        self.assertIn("because: build argument TOKEN changed", self.imgbuild("explain", "5").stdout)
        self.assertNotIn("COPY", self.imgbuild("explain", "5").stdout)
        self.assertIn("COPY", self.imgbuild("explain", "COPY src").stdout)
        listed = self.imgbuild("builds").stdout.splitlines()
        self.assertEqual(len(listed), 3)
        first = listed[2].split()[0]
        self.assertIn("nothing like it", self.imgbuild("explain", "--build", first).stdout)
        self.assertIn("no step", self.imgbuild("explain", "99", status=2).stderr)
        self.assertIn("no build", self.imgbuild("explain", "--build", "x", status=2).stderr)

    def test_a_failed_build_is_remembered_with_the_step_that_failed(self):
        self.change("Buildfile", "echo end", "false")
        self.build(self.files, status=1)
        self.assertIn("RUN false: failed", self.imgbuild("explain").stdout)
        self.assertIn("failed", self.imgbuild("builds").stdout)

    def test_what_is_required_and_not_cached_is_explained(self):
        self.build(self.files)
        refused = self.build("--require-cached", "--build-arg", "TOKEN=hunter2", self.files, status=5)
        self.assertIn("because: build argument TOKEN changed", refused.stderr)

    def test_a_profile_is_a_trace_of_every_step(self):
        trace = self.path("trace.json")
        self.build("--profile", trace, self.files)
        with open(trace, encoding="utf-8") as file:
            events = json.load(file)["traceEvents"]
        self.assertEqual({event["ph"] for event in events}, {"X"})
        self.assertEqual(sum("RUN" in event["name"] for event in events), 2)
        for event in events:
            self.assertEqual({key: type(event[key]) for key in ("name", "cat", "ts", "dur", "pid", "tid")},
                             {"name": str, "cat": str, "ts": int, "dur": int, "pid": int, "tid": int})
            self.assertGreaterEqual(min(event["dur"], event["ts"]), 0)
        # Viewers take what overlaps in a row for calls inside of each other.
        for row in {event["tid"] for event in events}:
            own = sorted((event["ts"], event["ts"] + event["dur"]) for event in events if event["tid"] == row)
            self.assertTrue(all(end <= begin for (_, end), (begin, _) in zip(own, own[1:])), own)


class Work(EndToEnd):
    """How many bytes a build hashes and compresses, as --debug tells it."""

    SIZE = 6 << 20
    FILES = 12

    def setUp(self):
        super().setUp()
        noise = random.Random(1)
        tree = {f"d/{i:02}": noise.randbytes(self.SIZE // self.FILES // 2).hex() for i in range(self.FILES)}
        self.files = self.context({"Buildfile": "FROM scratch\nCOPY d /d\n", **tree})

    def work(self, *arguments, files=None):
        told = self.imgbuild("build", "--debug", *arguments, files or self.files).stderr
        numbers = re.search(r"^hashed (\d+) bytes, compressed (\d+), decompressed (\d+)$", told, re.MULTILINE)
        return [int(number) / self.SIZE for number in numbers.groups()]

    def test_a_copy_compresses_each_byte_once_and_again_only_what_changed(self):
        hashed, compressed, decompressed = self.work()
        self.assertAlmostEqual(compressed, 1, delta=0.1)
        self.assertEqual(decompressed, 0)
        # By the scan, while it is packed, and the tar; the blob, half as large, and its chunks.
        self.assertLess(hashed, 4.3)
        with open(os.path.join(self.files, "d", "00"), "a", encoding="ascii") as file:
            file.write("more")
        hashed, compressed, decompressed = self.work()
        self.assertLess(compressed, 0.7)
        self.assertAlmostEqual(compressed + decompressed, 1, delta=0.1)

    def test_a_base_image_is_decompressed_once(self):
        self.imgbuild("build", "-q", "-t", "localhost/big:1", self.files)
        archive = self.path("base.tar")
        self.imgbuild("save", "-o", archive, "localhost/big:1")
        elsewhere = ("--store", self.path("elsewhere"))
        self.imgbuild(*elsewhere, "load", "-i", archive)
        user = self.context({"Buildfile": "FROM localhost/big:1 AS big\nFROM busybox\nCOPY --from=big /d/00 /d/01 /\n"
                                          "RUN test -s /00\n"}, "user")
        _, _, decompressed = self.work(*elsewhere, "-o", "type=cacheonly", files=user)
        self.assertGreater(decompressed, 0.9)
        # The base of the RUN is among it.
        self.assertLess(decompressed, 1.7)
