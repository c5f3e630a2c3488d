# SPDX-License-Identifier: Apache-2.0
"""ARG and ENV, and what ends up in the image's settings (docs/conformance.md, 11.3 and 11.7)."""

from support.language import Language


class Variables(Language):
    """11.3"""

    def test_a_build_argument_replaces_a_global_one_in_from(self):
        files = self.source("ARG TAG=one\nFROM base-${TAG}\n", {"one/f": "1\n", "two/f": "2\n"})
        named = ["--build-context", f"base-one={files}/one", "--build-context", f"base-two={files}/two"]
        self.assertEqual(self.files_of(*named, files)["f"], "1\n")
        self.assertEqual(self.files_of(*named, "--build-arg", "TAG=two", files)["f"], "2\n")

    def test_a_global_argument_may_be_required(self):
        text = 'ARG FOO=${BAR:?"custom error"}\nFROM scratch\nCOPY Buildfile /$FOO\n'
        self.refused('ARG BAR\nARG FOO=${BAR:?"custom error"}\nFROM scratch\n', "custom error")
        self.assertNotIn("custom error", self.build("--build-arg", "FOO=a", self.source(text)).stderr)

    def test_a_default_is_expanded_only_where_it_is_needed(self):
        text = 'FROM scratch\nARG FOO=${BAR:?"custom error"}\nCOPY f /$FOO\n'
        self.refused(text, "custom error", tree={"f": ""})
        self.assertIn("given", self.files(text, {"f": ""}, "--build-arg", "FOO=given"))

    def test_several_names_in_one_line_with_quotes_and_references(self):
        built = self.files('ARG a1="foo bar" a2=box\nARG a3="$a2-foo"\nFROM busy$a2 AS base\nARG a3 a4="123 456" a1\n'
                           'RUN echo "$a1:$a3:$a4" > /out\nFROM base\nARG a2=${a3}-x\n'
                           'RUN echo "$a1:$a2:$a3:$a4" > /inherited\n')
        self.assertEqual(built["out"], "foo bar:box-foo:123 456\n")
        self.assertEqual(built["inherited"], "foo bar:box-foo-x:box-foo:123 456\n")

    def test_quoted_global_defaults(self):
        built = self.files('ARG a1="box"\nARG a2="$a1-foo"\nFROM busy$a1\nARG a1\nARG a2="bar-$a1"\nENV a3="$a2$a1" '
                           "a4='$a1'\nRUN echo \"$a2:$a3:$a4\" > /out\n")
        self.assertEqual(built["out"], "bar-box:bar-boxbox:$a1\n")
        self.assertEqual(self.files('ARG a1="box"\nFROM "busy$a1"\nARG a1\nRUN echo $a1 > /out\n')["out"], "box\n")

    def test_the_name_of_the_target_has_to_be_declared(self):
        files = self.source("FROM busybox AS one\nRUN echo \"-$TARGETSTAGE\" > /hidden\nARG TARGETSTAGE\n"
                            "RUN echo $TARGETSTAGE > /seen\nFROM one\n")
        self.assertEqual(self.files_of("--target", "one", files)["seen"], "one\n")
        built = self.files_of(files)
        self.assertEqual((built["seen"], built["hidden"]), ("default\n", "-\n"))

    def test_proxies_reach_a_run_and_change_nothing_that_was_done(self):
        once = "cat /proc/sys/kernel/random/uuid"
        files = self.source(f"FROM busybox\nARG FOO\nRUN echo $HTTP_PROXY:$NO_PROXY:$FOO:$BAR > /seen; {once} > /id\n")
        first = self.files_of("--build-arg", "FOO=foo", "--build-arg", "HTTP_PROXY=hp", "--build-arg", "NO_PROXY=np",
                              "--build-arg", "BAR=bar", files)
        self.assertEqual(first["seen"], "hp:np:foo:\n")
        other_proxy = self.files_of("--build-arg", "FOO=foo", "--build-arg", "HTTP_PROXY=other", files)
        self.assertEqual(other_proxy["id"], first["id"])
        other_argument = self.files_of("--build-arg", "FOO=foo2", "--build-arg", "HTTP_PROXY=hp", files)
        self.assertNotEqual(other_argument["id"], first["id"])

    def test_fallbacks_and_trimmed_ends_in_from_and_stages(self):
        files = self.source('ARG image=${given:-busybox#a:b}\nFROM ${image%%#*} AS build\nARG foo\n'
                            'ENV bar=${foo:-fallback}\nRUN echo "$bar" > /out\n')
        self.assertEqual(self.files_of(files)["out"], "fallback\n")
        self.assertEqual(self.files_of("--build-arg", "foo=", files)["out"], "fallback\n")
        self.assertEqual(self.files_of("--build-arg", "foo=mine", files)["out"], "mine\n")

    def test_an_empty_argument_is_not_an_unset_one(self):
        files = self.source("FROM busybox\nARG unset\nARG empty=\nRUN env | sort > /out\n")
        lines = self.files_of(files)["out"].splitlines()
        self.assertIn("empty=", lines)
        self.assertNotIn("unset=", lines)
        self.assertIn("unset=", self.files_of("--build-arg", "unset=", files)["out"].splitlines())

    def test_percent_signs_in_values_are_kept(self):
        settings = self.settings("FROM scratch\nENV myenv=foo%sbar\n")
        self.assertIn("myenv=foo%sbar", settings["Env"])


class Settings(Language):
    """11.7"""

    def test_entrypoint_in_a_shell_of_its_own_takes_the_command_of_the_base_away(self):
        settings = self.settings('FROM scratch AS base\nCMD ["from-base"]\nFROM base\nSHELL ["ls"]\n'
                                 'ENTRYPOINT my entry\n')
        self.assertEqual(settings["Entrypoint"], ["ls", "my entry"])
        self.assertNotIn("Cmd", settings)
        self.assertEqual(settings["Shell"], ["ls"])

    def test_the_entrypoint_of_an_image_is_not_used_by_run(self):
        built = self.files('FROM busybox AS base\nENTRYPOINT ["/nosuchcmd"]\nFROM base\nRUN echo ran > /out\n')
        self.assertEqual(built["out"], "ran\n")

    def test_json_that_is_none_is_a_line_for_the_shell(self):
        built = self.files('FROM busybox\nRUN [ -f /bin/sh ] && echo "[]" > /out\n')
        self.assertEqual(built["out"], "[]\n")
        settings = self.settings("FROM scratch\nENTRYPOINT [\"a\", 'b']\n")
        self.assertEqual(settings["Entrypoint"], ["/bin/sh", "-c", "[\"a\", 'b']"])

    def test_a_command_that_fails_is_shown_whole(self):
        self.refused("FROM busybox\nRUN invalidcmd --flag\n", ["invalidcmd --flag", "127"], status=1)
        self.refused('FROM busybox\nRUN ["sh", "-c", "exit 3"]\n', 'the command "sh -c exit 3" failed: exit status 3',
                     status=1)

    def test_an_unknown_instruction_has_a_suggestion(self):
        self.refused("FROM scratch\nFNTRYPOINT [\"/bin/sh\"]\n",
                     ["unknown instruction: FNTRYPOINT", "did you mean ENTRYPOINT?"])

    def test_the_shell_and_path_that_a_linux_image_has_by_default(self):
        image = self.image("FROM scratch\nENTRYPOINT foo bar\n")
        self.assertEqual(image.config["config"]["Entrypoint"], ["/bin/sh", "-c", "foo bar"])
        self.assertEqual(image.config["config"]["Env"],
                         ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])
        self.assertEqual(image.config["os"], "linux")
