# SPDX-License-Identifier: Apache-2.0
"""Streams, exit codes and the flags that scripts rely on."""

import json
import os
import re
import socket
import time

from support.case import EndToEnd
from support.oci import open_layout
from support.tree import tree_of_image
from support.user import become_ordinary_user

DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
STAGES = """
ARG GREETING=hello
FROM busybox AS first
ARG GREETING
RUN echo "$GREETING first" > /first
FROM busybox AS unused
RUN echo this stage is not needed && false
FROM first AS second
RUN echo second > /second
"""


class Streams(EndToEnd):
    def test_results_go_to_stdout_and_progress_to_stderr(self):
        files = self.context({"Buildfile": "FROM busybox\nRUN echo the-output-of-a-step\n"})
        result = self.build(files)
        self.assertIn("the-output-of-a-step", result.stderr)
        self.assertNotIn("the-output-of-a-step", result.stdout)

    def test_quiet_prints_the_digest_of_the_manifest_alone(self):
        files = self.context({"Buildfile": "FROM busybox\nRUN echo the-output-of-a-step\n"})
        result = self.imgbuild("build", "-q", files)
        self.assertRegex(result.digest, DIGEST)
        self.assertEqual(result.stdout, result.digest + "\n")
        self.assertEqual(result.stderr, "")
        self.assertEqual(open_layout(self.export("layout", files)).digest, result.digest)

    def test_build_is_the_default_command(self):
        files = self.context({"Buildfile": "FROM busybox\nCMD [\"a\"]\n"})
        self.assertEqual(self.imgbuild("-q", files).digest, self.imgbuild("build", "-q", files).digest)

    def test_iidfile_and_metadata_file(self):
        files = self.context({"Buildfile": "FROM busybox\nCMD [\"a\"]\n"})
        self.build("-t", "app:1", "--iidfile", self.path("iid"), "--metadata-file", self.path("metadata.json"), files)
        digest = self.imgbuild("build", "-q", files).digest
        with open(self.path("iid"), encoding="ascii") as file:
            self.assertRegex(file.read(), DIGEST)
        with open(self.path("metadata.json"), encoding="utf-8") as file:
            metadata = json.load(file)
        self.assertEqual(metadata["containerimage.digest"], digest)
        self.assertRegex(metadata["containerimage.config.digest"], DIGEST)
        self.assertEqual(metadata["containerimage.descriptor"]["digest"], digest)
        self.assertIn("app:1", metadata["image.name"])

    def test_a_failed_build_leaves_no_iidfile(self):
        files = self.context({"Buildfile": "FROM busybox\nRUN false\n"})
        with open(self.path("iid"), "w", encoding="ascii") as file:
            file.write("of an earlier build")
        self.build("--iidfile", self.path("iid"), files, status=1)
        self.assertFalse(os.path.exists(self.path("iid")))

    def test_the_file_flag_and_the_default_names(self):
        files = self.context({"Buildfile": "FROM busybox\nLABEL from=Buildfile\n",
                              "Dockerfile": "FROM busybox\nLABEL from=Dockerfile\n",
                              "other": "FROM busybox\nLABEL from=other\n"})
        self.assertEqual(self.label("a", files), "Buildfile")
        self.assertEqual(self.label("b", "-f", os.path.join(files, "other"), files), "other")
        os.remove(os.path.join(files, "Buildfile"))
        self.assertEqual(self.label("c", files), "Dockerfile")

    def label(self, name, *arguments):
        return open_layout(self.export(name, *arguments)).config["config"]["Labels"]["from"]

    def test_a_buildfile_from_standard_input(self):
        files = self.context({"a": "alpha\n"})
        out = self.path("layout")
        self.build("-f", "-", "-o", f"type=oci,tar=false,dest={out}", files, stdin="FROM busybox\nCOPY a /a\n")
        self.assertIn("a", tree_of_image(open_layout(out)))

    def test_version_and_help(self):
        self.assertIn("0.1.0", self.imgbuild("--version").stdout)
        self.assertIn("--build-arg", self.imgbuild("build", "--help").stdout)

    def test_an_unknown_flag_is_a_usage_error(self):
        result = self.imgbuild("build", "--no-such-flag", ".", status=2)
        self.assertIn("--no-such-flag", result.stderr)
        self.assertEqual(result.stdout, "")


class EveryCommand(EndToEnd):
    def commands(self):
        names = re.findall(r"^  (\w+) ", self.imgbuild("help").stdout, re.MULTILINE)
        self.assertIn("build", names)
        return names

    def test_help_of_each_and_what_is_no_flag(self):
        for name in self.commands():
            usage = self.imgbuild(name, "--help").stdout
            self.assertIn(f"\nusage: imgbuild {name}", usage)
            self.assertEqual(usage, self.imgbuild("help", name).stdout)
            self.assertEqual("--root-mode" in usage, name in ("build", "plan", "verify", "doctor", "debug"), name)
            wrong = self.imgbuild(name, "--no-such-flag", status=2)
            self.assertEqual(wrong.stderr, "imgbuild: unknown flag: --no-such-flag\n"
                                           f"see imgbuild {name} --help\n")

    def test_missing_and_surplus_arguments(self):
        for name in self.commands():
            required = re.search(rf"usage: imgbuild {name}(.*)", self.imgbuild(name, "--help").stdout).group(1)
            optional = re.findall(r"\[[A-Z]+\]", required)
            takes_any_number = re.search(r" (?:[A-Z]+…|\[[A-Z]+…\])$", required)
            required = re.sub(r"\[[^]]*\]", "", required).split()
            if required:
                # What two forms of a command call differently has both names.
                self.assertRegex(self.imgbuild(name, status=2).stderr,
                                 rf"\b{required[0].rstrip('…')}(\|[A-Z]+)? is missing")
            words = ["ls", "x"] if name == "context" else ["x"] * len(required + optional)
            if not takes_any_number:
                self.assertIn("one argument too many", self.imgbuild(name, *words, "x", status=2).stderr)
        for arguments in (["help", "build", "x"], ["--version", "x"]):
            self.assertIn("one argument too many: x", self.imgbuild(*arguments, status=2).stderr)

    def test_a_root_mode_that_does_not_exist_is_told_by_all_that_use_the_store(self):
        self.assertIn("no mode is called rot", self.imgbuild("images", "--root-mode=rot", status=2).stderr)
        self.assertIn("no mode is called rot", self.imgbuild("--root-mode=rot", "images", status=2).stderr)

    def test_a_durability_that_does_not_exist_is_told_by_all_that_use_the_store(self):
        for arguments in (["images", "--durability=rot"], ["--durability=rot", "images"], ["--durability", "rot", "images"]):
            self.assertIn("--durability: no mode is called rot\nthere are steps, images and none\n",
                          self.imgbuild(*arguments, status=2).stderr)
        self.assertIn("IMGBUILD_DURABILITY: no mode is called rot",
                      self.imgbuild("images", env={"IMGBUILD_DURABILITY": "rot"}, status=2).stderr)

    def test_an_image_that_is_not_there_is_told_with_the_one_that_was_meant(self):
        self.build("-t", "app:1", self.context({"Buildfile": "FROM busybox\n"}))
        for name in ("inspect", "history", "manifest", "export", "rm"):
            said = self.imgbuild(name, "app", status=2).stderr
            self.assertEqual(said, "imgbuild: app: no such image in the store\nthere is app:1\n")
        self.assertIn("did you mean app:1?", self.imgbuild("tag", "ap:1", "b", status=2).stderr)
        self.assertIn("did you mean build?", self.imgbuild("biuld", status=2).stderr)

    def test_a_filter_that_names_no_stage_is_told(self):
        files = self.context({"Buildfile": "FROM busybox AS one\nRUN true\n"})
        self.assertIn("warning: --no-cache-filter: there is no stage tow\n",
                      self.build("--no-cache-filter", "ONE,tow", files).stderr)


class RelativePaths(EndToEnd):
    """Every path of a command line counts from the working directory."""

    def test_of_everything_at_once(self):
        self.context({"Dockerfile": "FROM busybox\nCOPY a /a\nCOPY --from=more b /b\n"
                                    "RUN --mount=type=secret,id=s cat /a /b /run/secrets/s > /all\n", "a": "a\n"}, "context")
        self.context({"b": "b\n"}, "more")
        self.context({"secret": "s\n"}, "secrets")
        self.imgbuild("build", "--store", "here/store", "-f", "context/Dockerfile", "--build-context", "more=more",
                      "--secret", "id=s,src=secrets/secret", "--iidfile", "id", "--metadata-file", "metadata.json",
                      "-o", "type=oci,tar=false,dest=layout", "-o", "type=local,dest=out", "context")
        with open(self.path("out", "all"), encoding="ascii") as file:
            self.assertEqual(file.read(), "a\nb\ns\n")
        with open(self.path("id"), encoding="ascii") as file:
            self.assertEqual(file.read().strip(), open_layout(self.path("layout")).digest)
        self.imgbuild("fsck", "--store", "here/store")


class ReadOnly(EndToEnd):
    """A store and files that the user may not write or read."""

    def setUp(self):
        super().setUp()
        become_ordinary_user(self)
        self.files = self.context({"Buildfile": "FROM busybox\nCOPY a /a\n", "a": "alpha\n"})

    def test_a_store_that_cannot_be_written_still_answers(self):
        self.build("-t", "app:1", self.files)
        os.chmod(self.store, 0o555)
        self.addCleanup(os.chmod, self.store, 0o755)
        for arguments in (["images"], ["inspect", "app:1"], ["history", "app:1"], ["manifest", "app:1"], ["du"], ["fsck"],
                          ["save", "-o", self.path("tmp", "app.tar"), "app:1"], ["plan", self.files]):
            self.imgbuild(*arguments)
        self.assertIn("read only", self.imgbuild("doctor", status=None).stdout)
        for arguments in (["build", self.files], ["tag", "app:1", "b:1"], ["rm", "app:1"], ["prune"], ["fsck", "--repair"]):
            said = self.imgbuild(*arguments, status=6).stderr
            self.assertIn(f"{self.store}: the store is opened for reading only\n", said)
            self.assertIn("--store", said)

    def test_what_cannot_be_read_is_told_with_its_name(self):
        hidden = os.path.join(self.files, "Buildfile")
        os.chmod(hidden, 0)
        for arguments in (["build", self.files], ["parse", hidden], ["load", "-i", hidden], ["import", hidden, "a:1"]):
            self.assertIn(f"{hidden}: Permission denied", self.imgbuild(*arguments, status=6).stderr)
        os.chmod(self.files, 0)
        self.addCleanup(os.chmod, self.files, 0o755)
        self.assertIn("Permission denied", self.imgbuild("build", self.files, status=6).stderr)


class Selection(EndToEnd):
    def setUp(self):
        super().setUp()
        self.files = self.context({"Buildfile": STAGES})

    def test_only_what_the_target_needs_is_built(self):
        tree = tree_of_image(open_layout(self.export("layout", self.files)))
        self.assertIn("first", tree)
        self.assertIn("second", tree)

    def test_target_stops_at_a_stage(self):
        tree = tree_of_image(open_layout(self.export("layout", "--target", "first", self.files)))
        self.assertIn("first", tree)
        self.assertNotIn("second", tree)

    def test_an_unknown_target_names_the_stages(self):
        self.refuse("--target", "frist", self.files, status=2, says=["frist", "first"])

    def test_a_build_argument_replaces_the_default(self):
        plain = tree_of_image(open_layout(self.export("plain", self.files)))
        changed = tree_of_image(open_layout(self.export("changed", "--build-arg", "GREETING=good day", self.files)))
        self.assertEqual(plain["first"].size, len("hello first\n"))
        self.assertEqual(changed["first"].size, len("good day first\n"))

    def test_a_build_argument_without_a_value_takes_it_from_the_environment(self):
        out = self.path("layout")
        self.build("--build-arg", "GREETING", "-o", f"type=oci,tar=false,dest={out}", self.files,
                   env={"GREETING": "servus"})
        self.assertEqual(tree_of_image(open_layout(out))["first"].size, len("servus first\n"))

    def test_a_build_argument_that_nobody_declares_is_told(self):
        said = "warning: --build-arg GRETING: no ARG of the stages that are built declares it; did you mean GREETING?\n"
        arguments = ["--build-arg", "GRETING=a", "--build-arg", "https_proxy=b", self.files]
        self.assertIn(said, self.build(*arguments).stderr)
        self.assertEqual(self.imgbuild("plan", *arguments).stderr, said)
        self.assertEqual(self.imgbuild("build", "-q", *arguments).stderr, "")
        lines = self.imgbuild("build", "--progress=rawjson", *arguments).stderr.splitlines()
        warnings = [event["text"] for event in map(json.loads, lines) if event["event"] == "warning"]
        self.assertEqual(warnings, [said.removeprefix("warning: ").rstrip("\n")])

    def test_a_base_for_another_platform_is_a_warning_that_can_be_switched_off(self):
        base = self.export("base", self.context({"Buildfile": "FROM scratch\nCOPY a /a\n", "a": "a\n"}, "of-base"))
        arguments = ["--platform", "linux/arm64", "--build-context", f"base=oci-layout://{base}"]
        warned = self.build(*arguments, self.context({"Buildfile": "FROM base\nLABEL a=b\n"}, "warned"))
        self.assertRegex(warned.stderr, r'- InvalidBaseImagePlatform: Base image oci-layout://\S+ was pulled with platform '
                                        r'"linux/amd64", expected "linux/arm64" for current build \(line 1\)')
        files = self.context({"Buildfile": "# check=skip=InvalidBaseImagePlatform\nFROM base\nLABEL a=b\n"}, "quiet")
        self.assertNotIn("InvalidBaseImagePlatform", self.build(*arguments, files).stderr)
        fatal = self.context({"Buildfile": "# check=error=true\nFROM base\nLABEL a=b\n"}, "fatal")
        self.refuse(*arguments, fatal, status=2, says="InvalidBaseImagePlatform")

    def test_the_plan_is_printable_and_runs_nothing(self):
        plan = self.imgbuild("plan", self.files).stdout
        self.assertIn("second", plan)
        self.assertNotIn("this stage is not needed", plan)

    def test_parse_prints_the_syntax_tree_as_json(self):
        json.loads(self.imgbuild("parse", os.path.join(self.files, "Buildfile")).stdout)


class Agents(EndToEnd):
    def test_the_socket_of_an_agent_has_the_owner_and_the_mode_of_its_mount(self):
        path = self.path("agent")
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind(path)
            os.chmod(path, 0o600)
            agent.listen()
            show = "stat -c 'socket %a %u:%g' $SSH_AUTH_SOCK"
            files = self.context({"Buildfile": f"FROM busybox\nRUN --mount=type=ssh {show}\n"
                                               f"RUN --mount=type=ssh,mode=0660,uid=3,gid=4 {show}\n"})
            result = self.build("--ssh", f"default={path}", files)
        self.assertRegex(result.stderr, r"(?s) socket 600 0:0\n.* socket 660 3:4\n")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)


class Jobs(EndToEnd):
    SLEEPERS = "".join(f"FROM busybox AS s{i}\nRUN sleep 2 && echo {i} > /out\n" for i in range(4))
    FILE = SLEEPERS + "FROM busybox\n" + "".join(f"COPY --from=s{i} /out /out{i}\n" for i in range(4))

    def test_independent_stages_run_side_by_side(self):
        files = self.context({"Buildfile": self.FILE})
        begun = time.monotonic()
        self.build("--jobs", "4", files)
        # Four sleeps of two seconds: a row of them cannot end before eight.
        self.assertLess(time.monotonic() - begun, 8)

    def test_one_job_gives_the_same_image(self):
        files = self.context({"Buildfile": self.FILE.replace("sleep 2", "sleep 0")})
        one = self.imgbuild("build", "-q", "--no-cache", "--jobs", "1", files).digest
        many = self.imgbuild("build", "-q", "--no-cache", "--jobs", "7", files).digest
        self.assertEqual(one, many)

    def test_zero_jobs_is_a_usage_error(self):
        self.imgbuild("build", "--jobs", "0", self.context({"Buildfile": "FROM busybox\n"}), status=2)
