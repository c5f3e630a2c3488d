# SPDX-License-Identifier: Apache-2.0
"""Stages, named contexts, triggers and checks (docs/conformance.md, 11.5, 11.6, 11.17 to 11.19 and 11.22)."""

import os

from support.archives import tar_of
from support.case import write_tree
from support.language import Language
from support.web import serve_folder


class Stages(Language):
    """11.17"""

    def test_an_image_named_by_copy_and_a_stage_that_hides_it(self):
        self.build("-t", "lib:latest", self.source("FROM scratch\nCOPY f /f\n", {"f": "of the image\n"}))
        self.assertEqual(self.files("FROM scratch\nCOPY --from=lib /f /f\n")["f"], "of the image\n")
        hidden = "FROM scratch AS lib\nCOPY f /f\nFROM scratch\nCOPY --from=lib /f /f\n"
        self.assertEqual(self.files(hidden, {"f": "of the stage\n"})["f"], "of the stage\n")

    def test_names_of_stages_in_any_case(self):
        built = self.files("FROM scratch AS STAge0\nCOPY f /f\nFROM scratch AS staGE1\nCOPY --from=staGE0 /f /g\n"
                           "FROM scratch\n"
                           "COPY --from=StaGe0 f f\nCOPY --from=STAGE1 g g\n", {"f": "x\n"})
        self.assertEqual(built["f"] + built["g"], "x\nx\n")

    def test_a_file_without_a_stage(self):
        self.refused("ARG foo=bar\n", ["Buildfile:1", "FROM"])


class NamedContexts(Language):
    """11.18"""

    def test_an_image_in_the_place_of_another(self):
        self.build("-t", "other:1", self.source("FROM busybox\nENV foo=bar PATH=/own:/bin\nRUN echo other > /other\n"))
        text = "FROM busybox AS base\nRUN echo $PATH:$foo > /out\nFROM base\nRUN cat /other > /seen\n"
        built = self.files(text, None, "--build-context", "busybox=docker-image://other:1")
        self.assertEqual((built["out"], built["seen"]), ("/own:/bin:bar\n", "other\n"))
        built = self.files(text, None, "--build-context", "base=docker-image://other:1")
        self.assertNotIn("out", built)
        history = self.image(text, None, "--build-context", "base=docker-image://other:1").config["history"]
        self.assertIn("echo other", "".join(entry["created_by"] for entry in history))

    def test_an_image_replaced_by_nothing(self):
        built = self.files("FROM busybox\nCOPY f /f\n", {"f": "x\n"}, "--build-context",
                           "busybox=docker-image://scratch")
        self.assertEqual(built.names(), {"f"})

    def test_a_directory_with_ignore_rules_in_the_place_of_a_stage(self):
        own = self.context({"f": "local\n", "hidden": "x\n", ".dockerignore": "hidden\n"}, "own")
        built = self.files("FROM busybox AS base\nRUN echo remote > /f\nFROM scratch\nCOPY --from=base . /\n", None,
                           "--build-context", f"base={own}")
        self.assertEqual(built.names(), {"f", ".dockerignore"})
        self.assertEqual(built["f"], "local\n")

    def test_a_layout_as_base_and_as_source_and_out_again(self):
        layout = self.export("base", self.source("FROM busybox\nENV foo=bar\nRUN echo x > /f\n"))
        named = ["--build-context", f"base=oci-layout://{layout}"]
        built = self.files("FROM base\nCOPY --from=base /f /g\nRUN echo $foo > /out\n", None, *named)
        self.assertEqual((built["g"], built["out"]), ("x\n", "bar\n"))
        empty = self.export("empty", self.source('FROM scratch\nWORKDIR /\nENV foo=bar\nENTRYPOINT ["e"]\n'))
        settings = self.settings("FROM empty\n", None, "--build-context", f"empty=oci-layout://{empty}")
        self.assertEqual((settings["Entrypoint"], settings["WorkingDir"]), (["e"], "/"))
        self.assertIn("foo=bar", settings["Env"])

    def test_the_history_of_a_base_keeps_its_times(self):
        layout = self.path("base")
        self.build("-o", f"type=oci,tar=false,dest={layout}", self.source("FROM scratch\nCOPY f /\n", {"f": "x"}),
                   env={"SOURCE_DATE_EPOCH": "1600000000"})
        image = self.image("FROM base\nENV a=b\n", None, "--build-context", f"base=oci-layout://{layout}")
        self.assertEqual([entry["created"] for entry in image.config["history"]],
                         ["2020-09-13T12:26:40Z", "1980-01-02T00:00:00Z"])

    def test_only_what_is_needed_of_a_context_is_looked_at(self):
        own = self.context({"wanted/f": "x\n", "other/g": "y\n"}, "own")
        os.mkfifo(os.path.join(own, "other", "fifo"))
        said = self.build("--build-context", f"own={own}", self.source("FROM busybox\nCOPY --from=own wanted /\n"
                          "RUN --mount=from=own,source=wanted,target=/m cat /m/f\n")).stderr
        self.assertIn("1 file, 2 B", said)

    def test_contexts_of_stages_that_are_not_needed_are_never_asked_for(self):
        text = "FROM unused AS a\nRUN x\nFROM scratch\nCOPY f /\n"
        self.build("--build-context", "unused=docker-image://127.0.0.1:9/nobody/none:1", self.source(text, {"f": ""}))
        self.build("--build-context", "unused=http://127.0.0.1:9/none.tar", self.source(text, {"f": ""}))


class Triggers(Language):
    """11.19"""

    def test_a_trigger_runs_once_and_not_in_grandchildren(self):
        self.build("-t", "base:1", self.source("FROM busybox\nONBUILD RUN mkdir -p /out && echo -n 11 >> /out/foo\n"))
        self.build("-t", "child:1", self.source("FROM base:1\n"))
        self.assertEqual(self.files("FROM child:1\nRUN echo -n 22 >> /out/foo\n")["out/foo"], "1122")
        self.assertNotIn("OnBuild", self.settings("FROM base:1\n"))

    def test_a_trigger_is_not_repeated_in_a_stage_above_the_one_that_ran_it(self):
        self.build("-t", "base:1", self.source("FROM busybox\nONBUILD RUN echo -n 1 >> /foo\n"))
        built = self.files("FROM base:1 AS a\nRUN echo -n 2 >> /foo\nFROM a\nRUN echo -n 3 >> /foo\n")
        self.assertEqual(built["foo"], "123")

    def test_a_trigger_names_stages_contexts_and_images_of_the_file_that_runs_it(self):
        self.build("-t", "lib:1", self.source("FROM scratch\nCOPY f /f\n", {"f": "image\n"}))
        self.build("-t", "base:1", self.source(
            "FROM busybox\nONBUILD COPY --from=alpine /f /f\nONBUILD COPY --from=lib:1 /f /g\n"
            "ONBUILD RUN --mount=type=bind,target=/m,from=inner cat /m/f > /h\n"))
        built = self.files("FROM scratch AS alpine\nCOPY f /f\nFROM alpine AS inner\nFROM base:1\n", {"f": "stage\n"})
        self.assertEqual((built["f"], built["g"], built["h"]), ("stage\n", "image\n", "stage\n"))
        named = self.context({"f": "context\n"}, "named")
        built = self.files("FROM scratch AS inner\nCOPY f /f\nFROM base:1\n", {"f": "stage\n"}, "--build-context",
                           f"alpine={named}")
        self.assertEqual(built["f"], "context\n")

    def test_a_trigger_of_a_stage_runs_in_the_stage_above_it(self):
        built = self.files("FROM busybox AS base\nONBUILD RUN mkdir -p /out && echo -n 11 >> /out/foo\n"
                           "FROM base AS mid\n"
                           "RUN cp /out/foo /out/bar\nFROM scratch\nCOPY --from=mid /out/bar /bar\n")
        self.assertEqual(built["bar"], "11")

    def test_a_trigger_of_a_stage_copies_from_another(self):
        built = self.files("FROM busybox AS src\nRUN echo x > /f\nFROM busybox AS base\n"
                           "ONBUILD COPY --from=src /f /out/f\n"
                           "FROM base AS mid\nFROM scratch\nCOPY --from=mid /out/f /f\n")
        self.assertEqual(built["f"], "x\n")

    def test_a_cache_mount_of_a_trigger_is_the_one_of_that_name(self):
        self.build("-t", "base:1",
                   self.source("FROM busybox\nONBUILD RUN --mount=type=cache,target=/cache echo -n 42 >> /cache/foo\n"))
        built = self.files("FROM base:1\nRUN --mount=type=cache,target=/cache cat /cache/foo > /out\n")
        self.assertEqual(built["out"], "42")


class Checks(Language):
    """11.5, as far as the parser's tests do not say it; and 11.6"""

    def test_an_ignored_source_is_a_warning_and_then_an_error(self):
        for verb in ("COPY", "ADD"):
            self.refused(f"FROM scratch\n{verb} hidden /\n", ["CopyIgnoredFile", "source hidden: no such file"],
                         tree={"hidden": "", ".dockerignore": "hidden\n"})

    def test_a_check_covers_all_stages_and_a_build_its_target(self):
        files = self.source("FROM scratch AS first\nCOPY $foo .\nFROM scratch AS second\nCOPY f $bar/\n", {"f": ""})
        said = self.build("--check", "--target", "second", files, status=None)
        self.assertIn("$foo", said.stdout + said.stderr)
        self.assertIn("$bar", said.stdout + said.stderr)
        self.build("--target", "second", files)

    def test_a_build_argument_sets_what_is_checked_in_both_directions(self):
        text = "FROM scratch AS Upper\nCOPY f /\n"
        name = "BUILDKIT_DOCKERFILE_CHECK"
        plain = self.source(text, {"f": ""})
        self.assertIn("StageNameCasing", self.build(plain).stderr)
        self.assertNotIn("StageNameCasing", self.build("--build-arg", f"{name}=skip=all", plain).stderr)
        self.refused(text, "StageNameCasing", "--build-arg", f"{name}=error=true", tree={"f": ""})
        fatal = "# check=error=true\n" + text
        self.refused(fatal, "lint violation found for rules: StageNameCasing", tree={"f": ""})
        self.build("--build-arg", f"{name}=error=false", self.source(fatal, {"f": ""}))
        skipped = self.source("# check=skip=all\n" + text, {"f": ""})
        self.assertIn("StageNameCasing", self.build("--build-arg", f"{name}=skip=none", skipped).stderr)

    def test_warnings_before_an_error_are_told(self):
        self.refused("FROM scratch AS Upper\nBADCMD x\n", ["StageNameCasing", "unknown instruction: BADCMD"])

    def test_an_argument_of_from_that_nobody_declares_ends_in_an_error(self):
        said = self.refused("ARG tag=latest\nFROM busybox:${version} AS b\n", "is no tag").stderr
        self.assertIn("UndefinedArgInFrom", said)
        self.refused("FROM --platform=$PLATFORM scratch\nCOPY f /\n", "UndefinedArgInFrom", tree={"f": ""})

    def test_a_missing_file_is_told_by_name(self):
        self.refused("FROM scratch\nCOPY badfile /\n", "badfile")

    def test_the_syntax_line_changes_nothing(self):
        built = self.files("# syntax=docker/dockerfile:1\nFROM scratch\nCOPY f /\n", {"f": "x\n"}, "--build-arg",
                           "BUILDKIT_SYNTAX=dockerfile.v0")
        self.assertEqual(built["f"], "x\n")


class Platforms(Language):
    """11.22"""

    def test_a_stage_chosen_by_the_platform(self):
        built = self.files("FROM scratch AS build-linux\nCOPY f /linux\nFROM scratch AS build-windows\n"
                           "COPY f /windows\n"
                           "FROM build-${TARGETOS}\n", {"f": ""})
        self.assertEqual(built.names(), {"linux"})

    def test_arguments_of_the_target_and_one_that_is_replaced(self):
        text = ("FROM busybox AS tools\nARG TARGETPLATFORM\nARG TARGETARCH\nARG TARGETVARIANT\nARG TARGETOS\n"
                "ARG BUILDPLATFORM\n"
                "RUN echo $TARGETPLATFORM $TARGETOS $TARGETARCH $TARGETVARIANT $BUILDPLATFORM > /out\n")
        self.assertEqual(self.files(text)["out"], "linux/amd64 linux amd64 linux/amd64\n")
        self.assertIn(" freebsd amd64", self.files(text, None, "--build-arg", "TARGETOS=freebsd")["out"])


    def test_a_version_of_the_system_is_kept(self):
        image = self.image("FROM scratch\nCOPY f /\n", {"f": ""}, "--platform", "windows(10.0.17763.1)/amd64")
        self.assertEqual((image.config["os"], image.config["os.version"]), ("windows", "10.0.17763.1"))
        layout = self.export("base", "--platform", "windows(10.0.17763.1)/amd64",
                             self.source("FROM scratch\nCOPY f /\n", {"f": ""}))
        image = self.image("FROM base\nLABEL a=b\n", None, "--platform", "windows/amd64", "--build-context",
                           f"base=oci-layout://{layout}")
        self.assertEqual(image.config["os.version"], "10.0.17763.1")

    def test_a_stage_for_this_machine_on_the_way_to_another_platform(self):
        self.build("-t", "other:1", self.source("FROM busybox\nRUN echo other > /other\n"))
        result = self.files("FROM --platform=$BUILDPLATFORM busybox AS tools\n"
                            "ARG TARGETPLATFORM TARGETARCH TARGETVARIANT\n"
                            "RUN cat /other > /out && echo $TARGETPLATFORM $TARGETARCH $TARGETVARIANT >> /out\n"
                            "FROM scratch\n"
                            "COPY --from=tools /out /\n", None, "--platform", "linux/arm/v7", "--build-context",
                            "busybox=docker-image://other:1")
        self.assertEqual(result["out"], "other\nlinux/arm/v7 arm v7\n")
        self.assertNotIn("InvalidBaseImagePlatform", result.result.stderr)


class Web(Language):
    """Named contexts from a web server"""

    def test_an_archive_in_the_place_of_a_stage(self):
        web = self.make_folder("web")
        address, _ = serve_folder(self, web)
        write_tree(web, {"o.tar": tar_of({"f": "of the web\n"})})
        built = self.files("FROM scratch AS base\nCOPY none /\nFROM scratch\nCOPY --from=base f /\n", None,
                           "--build-context", f"base={address}/o.tar")
        self.assertEqual(built["f"], "of the web\n")
