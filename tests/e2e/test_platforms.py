# SPDX-License-Identifier: Apache-2.0
"""Builds for several platforms, and for others than this machine's."""

import json
import os
import platform
import re
import signal
import struct
import time
import unittest

from support.case import EndToEnd, File
from support.oci import open_index, open_layout
from support.tree import tree_of_folder, tree_of_image, tree_of_tar

BOTH = ["--platform", "linux/amd64,linux/arm64"]
HERE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FORMATS = "/proc/sys/fs/binfmt_misc"

CROSS = """
FROM --platform=$BUILDPLATFORM busybox AS tools
RUN echo tools > /tools && echo run-once
FROM --platform=$BUILDPLATFORM tools AS compile
ARG TARGETPLATFORM
ARG TARGETARCH
ARG TARGETVARIANT
ARG BUILDPLATFORM
RUN echo "$TARGETPLATFORM $TARGETARCH $TARGETVARIANT $BUILDPLATFORM" > /out
FROM scratch
COPY --from=compile /tools /out /
"""


def is_registered(architecture):
    """True if something runs foreign programs here; the names are those of qemu."""
    return os.path.exists(f"{FORMATS}/qemu-{architecture}")


def program_of_32_bits(status):
    """A static program for i386 that ends with a status."""
    code = b"\xbb" + struct.pack("<I", status) + b"\x31\xc0\x40\xcd\x80"
    base, size = 0x10000, 84 + len(code)
    header = b"\x7fELF\1\1\1" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + 84, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    return header + struct.pack("<IIIIIIII", 1, 0, base, base, size, size, 5, 0x1000) + code


def program_of_arm64(status):
    """The same for aarch64: mov x0,#status; mov x8,#93; svc #0."""
    code = struct.pack("<III", 0xd2800000 | status << 5, 0xd2800ba8, 0xd4000001)
    base, size = 0x10000, 120 + len(code)
    header = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, base + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000) + code


class SeveralPlatforms(EndToEnd):
    def setUp(self):
        super().setUp()
        self.files = self.context({"Buildfile": CROSS})

    def test_each_platform_has_its_image_and_what_none_decides_runs_once(self):
        out = self.path("layout")
        result = self.build("--platform", "linux/arm64", "--platform", "linux/arm/v7,arm64", "-o",
                            f"type=oci,tar=false,dest={out}", self.files)
        index = open_index(out)
        self.assertEqual(index.platforms, ["linux/arm64", "linux/arm/v7"])
        texts = [tree_of_image(image)["out"].size for image in index.images]
        here = f"linux/{HERE}"
        self.assertEqual(texts, [len(f"linux/arm64 arm64  {here}\n"), len(f"linux/arm/v7 arm v7 {here}\n")])
        self.assertEqual([image.config["architecture"] for image in index.images], ["arm64", "arm"])
        self.assertEqual(len(re.findall(r"(?m)^#\d+ [\d.]+ run-once$", result.stderr)), 1)
        self.assertIn(f"[linux/{HERE} tools 2/2] RUN echo tools", result.stderr)
        self.assertIn(f"[linux/{HERE}->arm/v7 compile 1/1] RUN echo", result.stderr)
        self.assertIn("[linux/arm64 stage-2 1/1] COPY", result.stderr)

    def test_the_index_depends_on_the_order_and_on_nothing_else(self):
        digests = [self.imgbuild("build", "-q", "--no-cache", *BOTH, self.files).digest for _ in range(2)]
        self.assertEqual(digests[0], digests[1])
        other = self.imgbuild("build", "-q", "--platform=linux/arm64,linux/amd64", self.files).digest
        self.assertNotEqual(other, digests[0])

    def test_an_index_of_the_store_works_like_an_image(self):
        digest = self.imgbuild("build", "-q", "-t", "app:1", *BOTH, self.files).digest
        listed = json.loads(self.imgbuild("images", "--json").stdout)
        self.assertEqual([(row["name"], row["digest"], row["platforms"]) for row in listed],
                         [("app:1", digest, ["linux/amd64", "linux/arm64"])])
        inner = json.loads(self.imgbuild("manifest", "app:1").stdout)
        self.assertEqual(len(inner["manifests"]), 2)
        one = json.loads(self.imgbuild("inspect", "--platform=linux/arm64", "app:1").stdout)
        self.assertEqual((one["config"]["architecture"], one["index"]), ("arm64", inner))
        self.assertEqual(one["digest"], inner["manifests"][1]["digest"])
        self.assertIn("COPY", self.imgbuild("history", "app:1").stdout)
        self.imgbuild("inspect", "--platform=linux/s390x", "app:1", status=2)
        self.imgbuild("prune", "--all")
        self.assert_store_is_sound()
        self.imgbuild("save", "--format=oci", "-o", self.path("all.tar"), "app:1")
        self.assertEqual(open_index(self.path("all.tar")).descriptor["digest"], digest)
        self.imgbuild("save", "--platform=linux/arm64", "-o", self.path("one.tar"), "app:1")
        self.assertEqual(open_layout(self.path("one.tar")).config["architecture"], "arm64")
        self.imgbuild("rm", "app:1")
        self.assertEqual(self.imgbuild("images", "-q").stdout, "")

    def test_an_index_of_the_store_is_a_base_for_each_of_its_platforms(self):
        self.build("-t", "app:1", *BOTH, self.files)
        files = self.context({"Buildfile": "FROM app:1\nCOPY Buildfile /more\n"}, "next")
        out = self.path("next.tar")
        self.build(*BOTH, "--offline", "-o", f"type=oci,dest={out}", files)
        for image, name in zip(open_index(out).images, ("amd64", "arm64")):
            self.assertEqual(tree_of_image(image)["out"].size, len(f"linux/{name} {name}  linux/{HERE}\n"))
            self.assertEqual(image.config["architecture"], name)
        self.refuse("--platform=linux/amd64,linux/s390x", "--offline", files, status=3,
                    says="not in the store for linux/s390x, but for linux/amd64, linux/arm64")

    def test_files_stand_in_one_folder_for_each_platform(self):
        folder, tar = self.path("out"), self.path("out.tar")
        self.build("--platform=linux/arm64,linux/arm/v7", "-o", folder, "-o", f"type=tar,dest={tar}", self.files)
        for tree in (tree_of_folder(folder), tree_of_tar(tar)):
            self.assertEqual(sorted(path for path in tree if path),
                             ["linux_arm64", "linux_arm64/out", "linux_arm64/tools",
                              "linux_arm_v7", "linux_arm_v7/out", "linux_arm_v7/tools"])
        one = self.path("one")
        self.build("--platform=linux/arm64", "-o", one, self.files)
        self.assertEqual(sorted(os.listdir(one)), ["out", "tools"])

    def test_an_index_of_two_empty_images(self):
        out = self.path("layout")
        files = self.context({"Buildfile": "FROM scratch\nENV A=1\n"}, "empty")
        self.build(*BOTH, "-o", f"type=oci,tar=false,dest={out}", files)
        self.assertEqual([(image.config["architecture"], image.manifest["layers"]) for image in open_index(out).images],
                         [("amd64", []), ("arm64", [])])

    def test_an_index_in_a_layout_is_a_context_for_each_of_its_platforms(self):
        base, out = self.path("base"), self.path("out")
        self.build(*BOTH, "-o", f"type=oci,tar=false,dest={base}", self.files)
        files = self.context({"Buildfile": "FROM base\nCOPY --from=base /out /again\n"}, "next")
        self.build(*BOTH, "--build-context", f"base=oci-layout://{base}", "-o", out, files)
        for name in ("amd64", "arm64"):
            with open(os.path.join(out, f"linux_{name}", "again"), encoding="ascii") as file:
                self.assertEqual(file.read(), f"linux/{name} {name}  linux/{HERE}\n")

    def test_versions_of_a_system_name_the_folder_and_choose_the_base(self):
        base, out = self.path("base"), self.path("out")
        files = self.context({"Buildfile": "FROM scratch\nARG TARGETPLATFORM\nARG TARGETOSVERSION\n"
                                           "COPY <<EOF /version\n$TARGETPLATFORM $TARGETOSVERSION\nEOF\n"}, "versions")
        both = "windows(10.0.1)/amd64,windows(10.0.2)/amd64"
        self.build("--platform", both, "-o", f"type=oci,tar=false,dest={base}", files)
        index = open_index(base)
        self.assertEqual([entry["platform"]["os.version"] for entry in index.document["manifests"]], ["10.0.1", "10.0.2"])
        self.assertEqual([image.config["os.version"] for image in index.images], ["10.0.1", "10.0.2"])
        again = self.context({"Buildfile": "FROM base\nCOPY Buildfile /\n"}, "again")
        self.build("--platform", both, "--build-context", f"base=oci-layout://{base}", "-o", out, again)
        for version in ("10.0.1", "10.0.2"):
            with open(os.path.join(out, f"windows({version})_amd64", "version"), encoding="ascii") as file:
                self.assertEqual(file.read(), f"windows({version})/amd64 {version}\n")

    def test_each_system_has_its_shell_and_linux_a_path(self):
        out = self.path("layout")
        files = self.context({"Buildfile": "FROM scratch\nENTRYPOINT foo bar\nCMD a $B\nCOPY Buildfile /\n"}, "shells")
        self.build("--platform=windows/amd64,linux/amd64", "-o", f"type=oci,tar=false,dest={out}", files)
        windows, linux = (image.config["config"] for image in open_index(out).images)
        self.assertEqual((windows["Entrypoint"], windows["Cmd"]), (["cmd", "/S", "/C", "foo bar"], ["cmd", "/S", "/C", "a $B"]))
        self.assertNotIn("Env", windows)
        self.assertEqual((linux["Entrypoint"], linux["Env"]), (["/bin/sh", "-c", "foo bar"], [DEFAULT_PATH]))
        again = self.context({"Buildfile": "FROM base\nENV A=b\nSHELL [\"pwsh\"]\nCMD x\n"}, "again")
        self.build("--platform=windows/amd64", "--build-context", f"base=oci-layout://{out}", "-o",
                   f"type=oci,dest={self.path('again.tar')}", again)
        config = open_layout(self.path("again.tar")).config["config"]
        self.assertEqual((config["Env"], config["Cmd"]), (["A=b"], ["pwsh", "x"]))

    def test_reports_name_the_index(self):
        self.build("-t", "app:1", *BOTH, "--iidfile", self.path("iid"), "--metadata-file", self.path("metadata"), self.files)
        digest = self.imgbuild("build", "-q", *BOTH, self.files).digest
        with open(self.path("iid"), encoding="ascii") as file:
            self.assertEqual(file.read(), digest)
        with open(self.path("metadata"), encoding="utf-8") as file:
            metadata = json.load(file)
        self.assertEqual(metadata["containerimage.digest"], digest)
        self.assertEqual(metadata["containerimage.descriptor"]["mediaType"], "application/vnd.oci.image.index.v1+json")
        self.assertNotIn("containerimage.config.digest", metadata)

    def test_annotations_of_the_index_and_of_one_manifest(self):
        out = self.path("layout")
        pairs = ["index:a=1", "manifest[linux/arm64]:b=2", "manifest,index:c=3", "index-descriptor:d=4",
                 "manifest-descriptor[linux/amd64]:e=5"]
        self.build(*BOTH, *(f"--annotation={pair}" for pair in pairs), "-o", f"type=oci,tar=false,dest={out}", self.files)
        index = open_index(out)
        self.assertEqual(index.document["annotations"], {"a": "1", "c": "3"})
        format_version = {"io.imgbuild.format-version": "1"}
        self.assertEqual([image.manifest["annotations"] for image in index.images],
                         [{"c": "3", **format_version}, {"b": "2", "c": "3", **format_version}])
        self.assertEqual(index.descriptor["annotations"]["d"], "4")
        self.assertEqual([entry.get("annotations") for entry in index.document["manifests"]], [{"e": "5"}, None])

    def test_what_cannot_be_is_refused_before_anything_is_built(self):
        self.refuse(*BOTH, "-o", f"type=docker,dest={self.path('a.tar')}", self.files, status=2, says=["type=docker", "type=oci"])
        self.refuse("--platform=linux/amd64,no/such/thing/here", self.files, status=2, says="--platform")
        self.assertEqual(os.listdir(self.folder).count("a.tar"), 0)

    def test_one_platform_that_fails_leaves_no_image_and_is_named(self):
        files = self.context({"Buildfile": "FROM --platform=$BUILDPLATFORM busybox\nARG TARGETARCH\n"
                                           "RUN echo run-$TARGETARCH && test $TARGETARCH != arm64\n"}, "failing")
        failed = self.build("-t", "app:1", *BOTH, "--iidfile", self.path("iid"), files, status=1)
        self.assertIn("arm64] RUN echo run-", failed.stderr)
        self.assertEqual(self.imgbuild("images", "-q").stdout, "")
        self.assertFalse(os.path.exists(self.path("iid")))
        self.assert_store_is_sound()

    def test_an_interrupted_build_leaves_a_sound_store(self):
        files = self.context({"Buildfile": "FROM --platform=$BUILDPLATFORM busybox\nARG TARGETARCH\n"
                                           "RUN echo $TARGETARCH; sleep 60\n"}, "slow")
        process = self.start("build", *BOTH, files)
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        self.finish(process, status=130, limit=20)
        self.assert_store_is_sound()


class ForeignPlatforms(EndToEnd):
    def test_a_build_without_run_needs_no_emulation(self):
        files = self.context({"Buildfile": "FROM scratch\nWORKDIR /app\nCOPY Buildfile .\n"})
        image = open_layout(self.export("layout", "--platform=linux/arm64/v8", files))
        self.assertEqual((image.config["architecture"], image.config.get("variant")), ("arm64", None))
        self.assertIn("app/Buildfile", tree_of_image(image))

    def test_a_run_that_nothing_can_run_says_what_is_missing_before_it_begins(self):
        if is_registered("s390x"):
            raise unittest.SkipTest("programs of s390x run here")
        files = self.context({"Buildfile": "FROM scratch\nCOPY Buildfile /sh\nRUN [\"/sh\"]\n"})
        self.refuse("--platform=linux/s390x", files, status=6,
                    says=["RUN for linux/s390x", "qemu-s390x", "binfmt_misc", "flag F"])

    @unittest.skipUnless(is_registered("aarch64"), "nothing is registered to run programs of aarch64")
    def test_a_run_of_another_architecture_is_emulated(self):
        files = self.context({"Buildfile": "FROM scratch\nCOPY good bad /\nRUN [\"/good\"]\n",
                              "good": File(program_of_arm64(0), 0o755), "bad": File(program_of_arm64(9), 0o755)})
        self.build("--platform=linux/arm64", files)
        with open(os.path.join(files, "Buildfile"), "a", encoding="ascii") as file:
            file.write("RUN [\"/bad\"]\n")
        self.refuse("--platform=linux/arm64", files, status=1, says="exit status 9")

    @unittest.skipUnless(HERE == "amd64", "386 is the other half of amd64 alone")
    def test_a_program_of_32_bits_runs_by_itself(self):
        files = self.context({"Buildfile": "FROM scratch\nCOPY good bad /\nRUN [\"/good\"]\n",
                              "good": File(program_of_32_bits(0), 0o755), "bad": File(program_of_32_bits(9), 0o755)})
        try:
            self.command(os.path.join(files, "good"))
        except OSError as error:
            raise unittest.SkipTest(f"this kernel runs no programs of 32 bits: {error.strerror}") from error
        self.build("--platform=linux/386", files)
        with open(os.path.join(files, "Buildfile"), "a", encoding="ascii") as file:
            file.write("RUN [\"/bad\"]\n")
        self.refuse("--platform=linux/386", files, status=1, says="exit status 9")
