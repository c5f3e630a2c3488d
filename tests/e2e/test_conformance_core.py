# SPDX-License-Identifier: Apache-2.0
"""Files, contexts, accounts, history and images (docs/conformance.md, 11.4, 11.5, 11.9 to 11.11, 11.14 and 11.15)."""

import json
import os
import shutil
import subprocess
import tarfile

from support.archives import tar_of
from support.case import Link, write_tree
from support.language import Language
from support.oci import REF_NAME
from support.tree import tree_of_image

UUID = "cat /proc/sys/kernel/random/uuid"


class Core(Language):
    """11.9"""

    def test_the_file_may_lie_in_the_context_beside_it_or_elsewhere(self):
        files = self.source("FROM scratch\nCOPY foo /foo\n", {"foo": "x\n"})
        self.assertEqual(self.files_of(files)["foo"], "x\n")
        self.assertEqual(self.files_of(".", cwd=files)["foo"], "x\n")
        elsewhere = self.source("FROM scratch\nCOPY foo /bar\n")
        self.assertEqual(self.files_of("-f", os.path.join(elsewhere, "Buildfile"), files)["bar"], "x\n")

    def test_the_file_may_be_a_link(self):
        files = self.context({"Dockerfile.web": "FROM scratch\nCOPY foo /foo\n", "Dockerfile": Link("Dockerfile.web"),
                              "foo": "x\n"})
        self.assertEqual(self.files_of(files)["foo"], "x\n")

    def test_a_lower_case_dockerfile_is_found(self):
        files = self.context({"dockerfile": "FROM scratch\nCOPY foo /foo\n", "foo": "x\n"})
        self.assertEqual(self.files_of(files)["foo"], "x\n")

    def test_a_link_to_nothing_as_destination_is_followed(self):
        built = self.files("FROM busybox\nRUN ln -s \"../other\" /d && mkdir /sub && ln -s ../made /sub/l\n"
                           "COPY foo /d/\nCOPY foo /sub/l/\n", {"foo": "x\n"})
        self.assertEqual((built["other/foo"], built["made/foo"]), ("x\n", "x\n"))

    def test_a_directory_of_the_context_that_becomes_a_file(self):
        files = self.source("FROM scratch\nCOPY foo /foo\n", {"foo/sub/f": "x\n"})
        self.assertEqual(self.files_of(files)["foo/sub/f"], "x\n")
        shutil.rmtree(os.path.join(files, "foo"))
        write_tree(files, {"foo": "a file\n"})
        self.assertEqual(self.files_of(files)["foo"], "a file\n")

    def test_building_again_takes_no_more_room(self):
        files = self.source("FROM busybox\nCOPY foo /foo\nRUN rm /foo && echo x > /bar\n", {"foo": "x\n"})
        self.build("-t", "a", files)
        before = self.room()
        self.build("-t", "a", files)
        self.build("-t", "a", files)
        self.assertEqual(self.room(), before)
        # Every build leaves a record of itself, the last 200 of them, and nothing else.
        self.assertEqual(len(os.listdir(os.path.join(self.store, "builds"))), 3)

    def room(self):
        return [line for line in self.imgbuild("du").stdout.splitlines() if not line.startswith(("builds", "total"))]

    def test_one_variable_may_hold_two_ports(self):
        settings = self.settings("FROM scratch\nARG PORTS=\"3000 4000/udp\"\nEXPOSE $PORTS\nEXPOSE 5000\n")
        self.assertEqual(set(settings["ExposedPorts"]), {"3000/tcp", "4000/udp", "5000/tcp"})

    def test_labels_of_the_file_and_of_the_command_line(self):
        settings = self.settings("FROM scratch\nLABEL foo=bar both=file\n", None, "--label", "bar=baz", "--label",
                                 "both=line")
        self.assertEqual(settings["Labels"], {"foo": "bar", "bar": "baz", "both": "line"})

    def test_every_form_of_user(self):
        prepare = ("RUN echo user1:x:1000:100::/home:/bin/sh >> /etc/passwd && echo extra:x:1100:user1,daemon >> /etc/group && "
                   "sed -i 's/^staff:.*/&user1/' /etc/group && mkdir -m 0777 /out\n")
        forms = (("user1", "1000 100 50 100 1100"), ("1000", "1000 100 50 100 1100"), ("1000:100", "1000 100 100"),
                 ("user1:staff", "1000 50 50"), (":staff", "0 50 50"), ("1000:1100", "1000 1100 1100"),
                 ("4000", "4000 0 0"), ("4000:5000", "4000 5000 5000"), ("daemon", "1 1 1 1100"), ("0", "0 0 0"))
        lines = "".join(f"USER {form}\nRUN echo $(id -u) $(id -g) $(id -G | tr ' ' '\\n' | sort -nu) > /out/{i}\n"
                        for i, (form, _) in enumerate(forms))
        built = self.files(f"FROM busybox\n{prepare}{lines}")
        for i, (form, expected) in enumerate(forms):
            self.assertEqual(built[f"out/{i}"], expected + "\n", form)

    def test_the_user_is_kept_in_the_config_and_by_stages(self):
        text = "FROM busybox AS a\nUSER 1:2\nFROM a\nRUN id -u > /tmp/seen\n"
        image = self.image(text)
        self.assertEqual(image.config["config"]["User"], "1:2")
        self.assertEqual(self.files(text)["tmp/seen"], "1\n")
        self.assertEqual(self.settings("FROM busybox\nUSER www-data\n")["User"], "www-data")

    def test_the_host_name_of_a_run(self):
        text = "FROM busybox\nRUN hostname > /out && grep \"$(hostname)\" /etc/hosts > /hosts\n"
        built = self.files(text, None, "--build-arg", "BUILDKIT_SANDBOX_HOSTNAME=testtest")
        self.assertEqual(built["out"], "testtest\n")
        self.assertIn("testtest", built["hosts"])
        self.assertEqual(self.files(text)["out"], "buildkitsandbox\n")

    def test_steps_are_named_by_stage_number_and_text(self):
        said = self.build(self.source("FROM busybox AS base\nARG x=1\nWORKDIR /dir\nCOPY f f2\nFROM base\n"
                                      "RUN <<EOF\necho in doc\nEOF\nRUN echo $x one \\\n  two\n", {"f": "x"})).stderr
        for name in ("[base 2/3] WORKDIR /dir", "[base 3/3] COPY f f2", "[stage-1 1/2] RUN <<EOF",
                     "[stage-1 2/2] RUN echo $x one   two"):
            self.assertIn(name, said)

    def test_a_mistyped_target_has_a_suggestion(self):
        files = self.source("FROM scratch AS build\nCOPY f /\nFROM scratch\nCOPY f /\n", {"f": ""})
        said = self.build("--target", "bulid", files, status=2).stderr
        self.assertIn("bulid", said)
        self.assertIn("did you mean build?", said)


class IgnoreFiles(Language):
    """11.10"""

    def test_patterns_exceptions_and_the_files_themselves(self):
        built = self.files("FROM scratch\nCOPY . /\n", {".dockerignore": "ba*\nBuildfile\n!bay\n.dockerignore\n",
                                                        "foo": "1", "bar": "2", "bay": "3", "baz": "4"})
        self.assertEqual(built.names(), {"foo", "bay"})

    def test_an_exclamation_mark_alone_fails_at_once(self):
        self.refused("FROM scratch\nCOPY . /\n", '"!"', tree={".dockerignore": "!\n"})

    def test_each_file_may_have_its_own(self):
        files = self.context({"A.file": "FROM scratch\nCOPY . /\n", "B.file": "FROM scratch\nCOPY . /\n", "a": "",
                              "b": "",
                              "A.file.dockerignore": "*\n!a\n", ".dockerignore": "*\n!b\n"})
        self.assertEqual(self.files_of("-f", os.path.join(files, "A.file"), files).names(), {"a"})
        self.assertEqual(self.files_of("-f", os.path.join(files, "B.file"), files).names(), {"b"})


class Exports(Language):
    """11.11"""

    def test_an_uploaded_tar_with_a_file_of_this_machine(self):
        tar = self.path("c.tar")
        with open(tar, "wb") as file:
            file.write(tar_of({"sub/dir/foo": "x\n"}))
        local = self.source("FROM scratch\nCOPY foo /\n")
        with open(os.path.join(local, "Copy"), "w", encoding="ascii") as file:
            file.write("FROM scratch\nCOPY sub/dir/foo bar\n")
        with open(tar, "rb") as stdin:
            done = subprocess.run([self.program, "build", "-f", os.path.join(local, "Copy"), "-o", self.path("out"),
                                   "-"],
                                  stdin=stdin, env=self.environment(), cwd=self.folder, capture_output=True,
                                  check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path("out", "bar"), encoding="ascii") as file:
            self.assertEqual(file.read(), "x\n")


class History(Language):
    """11.14"""

    def test_every_instruction_has_its_entry(self):
        image = self.image("FROM busybox\nENV foo=bar\nCOPY f /f\nARG a=1\nWORKDIR /w\nRUN echo x > g\nRUN true\n"
                           "LABEL l=v\n"
                           "CMD [\"c\"]\n", {"f": "x\n"})
        entries = image.config["history"][-8:]
        self.assertEqual([(entry["created_by"], entry.get("empty_layer", False)) for entry in entries],
                         [("ENV foo=bar", True), ("COPY f /f # buildkit", False), ("ARG a=1", True),
                          ("WORKDIR /w", False),
                          ("RUN |1 a=1 /bin/sh -c echo x > g # buildkit", False),
                          ("RUN |1 a=1 /bin/sh -c true # buildkit", False),
                          ("LABEL l=v", True), ('CMD ["c"]', True)])
        self.assertEqual({entry["comment"] for entry in entries}, {"buildkit.dockerfile.v0"})
        for entry in image.config["history"]:
            self.assertRegex(entry["created"], r"^\d{4}-\d\d-\d\dT")
        self.assertEqual(sum(not entry.get("empty_layer") for entry in image.config["history"]),
                         len(image.manifest["layers"]))

    def test_an_argument_given_twice_stands_once_in_a_run(self):
        image = self.image("FROM busybox\nARG foo=bar\nARG bar=123\nARG foo=bar2\nRUN ls /etc/\n")
        self.assertEqual(image.config["history"][-1]["created_by"],
                         "RUN |2 foo=bar2 bar=123 /bin/sh -c ls /etc/ # buildkit")


class Images(Language):
    """11.15"""

    def test_an_image_without_layers_is_a_base_and_a_mount(self):
        self.build("-t", "empty:1", self.source("FROM scratch\nLABEL foo=bar\n"))
        image = self.image("FROM empty:1\nLABEL bar=baz\nCOPY f /f\n", {"f": "x\n"})
        self.assertEqual(image.config["config"]["Labels"], {"foo": "bar", "bar": "baz"})
        self.assertEqual(set(tree_of_image(image)), {"f"})
        built = self.files("FROM busybox\n"
                           "RUN --mount=from=empty:1,target=/mnt,rw test -d /mnt && ls /mnt | wc -l > /count\n")
        self.assertEqual(built["count"], "0\n")

    def test_the_config_of_an_image_of_nothing(self):
        image = self.image("FROM scratch\nENV foo=bar\n")
        self.assertEqual((image.config["os"], image.config["architecture"]), ("linux", "amd64"))
        self.assertEqual(image.config["rootfs"], {"type": "layers", "diff_ids": None})
        self.assertEqual(image.config["config"]["WorkingDir"], "/")
        self.assertEqual(image.config["config"]["Env"],
                         ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "foo=bar"])
        self.assertEqual([entry["created_by"] for entry in image.config["history"]], ["ENV foo=bar"])

    def test_two_names_are_two_entries_of_a_layout(self):
        files = self.source("FROM scratch\nCOPY f /\n", {"f": "x\n"})
        for tar in ("true", "false"):
            out = self.path(f"out-{tar}")
            self.build("-o", f'type=oci,tar={tar},"name=org/repo:tag1,org/repo:tag2",dest={out}', files)
            if tar == "true":
                with tarfile.open(out) as archive:
                    index = json.load(archive.extractfile("index.json"))
            else:
                with open(os.path.join(out, "index.json"), encoding="utf-8") as file:
                    index = json.load(file)
            self.assertEqual(len({entry["digest"] for entry in index["manifests"]}), 1)
            self.assertEqual({entry["annotations"][REF_NAME] for entry in index["manifests"]}, {"tag1", "tag2"})


class Rebuilds(Language):
    """11.4"""

    def test_without_cache_for_all_or_for_one_stage(self):
        files = self.source(f"FROM busybox AS s0\nRUN {UUID} > /u0\nFROM busybox AS s1\nRUN {UUID} > /u1\n"
                            "FROM scratch\nCOPY --from=s0 /u0 /\nCOPY --from=s1 /u1 /\n")
        first, again = self.files_of(files), self.files_of(files)
        self.assertEqual((first["u0"], first["u1"]), (again["u0"], again["u1"]))
        one = self.files_of("--no-cache-filter", "s1", files)
        self.assertEqual(one["u0"], first["u0"])
        self.assertNotEqual(one["u1"], first["u1"])
        none = self.files_of("--no-cache", files)
        self.assertNotEqual(none["u0"], first["u0"])

    def test_a_cache_mount_with_a_mode_begins_as_new_without_cache(self):
        def files(options):
            return self.source(f"FROM busybox\nRUN --mount=type=cache,id=c,target=/c{options} ls /c > /before; "
                               f"{UUID} > /c/$({UUID})\n"
                               f"RUN --mount=type=cache,id=c,target=/c{options} ls /c > /after\n")

        def count(name, *arguments):
            built = self.files_of(*arguments, files(name))
            return [len(built[key].split()) for key in ("before", "after")]

        for options in (",mode=0750", ",uid=1000"):
            count(options)
            self.assertEqual(count(options, "--no-cache"), [0, 1])  # the second step sees what the first one left
            self.assertEqual(count(options, "--no-cache"), [0, 1])
            more = count(options + " --network=none")
            self.assertEqual(more, [1, 2])
        kept = count("", "--no-cache")
        self.assertEqual(count("", "--no-cache"), [kept[0] + 1, kept[1] + 1])

    def test_nothing_holds_what_was_built_when_all_is_to_go(self):
        self.build(self.source("FROM busybox\nRUN echo x > /x\n"))
        self.imgbuild("prune", "--all")
        said = self.imgbuild("prune", "--all", "--dry-run").stdout
        self.assertRegex(said, r"\b0 ")
        self.assert_store_is_sound()
