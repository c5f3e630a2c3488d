# SPDX-License-Identifier: Apache-2.0
"""build --call: what a Buildfile says about itself."""

import base64
import json

from support.case import EndToEnd

BUILDFILE = """# BASE is where it begins
ARG BASE=busybox
ARG UNUSED=1
# compile makes the program
FROM ${BASE} AS compile
# LEVEL of optimisation
ARG LEVEL=2
RUN --mount=type=secret,id=token-$LEVEL,required=true,target=/t --mount=type=ssh false
FROM scratch AS other
FROM compile AS ship
"""


class Calls(EndToEnd):
    def setUp(self):
        super().setUp()
        self.files = self.context({"Buildfile": BUILDFILE})

    def ask(self, call, *more, **options):
        return json.loads(self.imgbuild("build", f"--call={call},format=json", *more, self.files, **options).stdout)

    def test_an_outline_runs_nothing_and_has_the_values_of_the_build(self):
        outline = self.ask("outline", "--build-arg", "LEVEL=3")
        self.assertEqual(outline["name"], "ship")
        self.assertEqual([(arg["name"], arg["value"], arg.get("description")) for arg in outline["args"]],
                         [("BASE", "busybox", "is where it begins"), ("LEVEL", "3", "of optimisation")])
        self.assertEqual([(need["name"], need["required"]) for need in outline["secrets"]], [("token-3", True)])
        self.assertEqual(outline["ssh"][0]["name"], "default")
        self.assertEqual(base64.b64decode(outline["sources"][0]).decode(), BUILDFILE)
        self.assertEqual(self.ask("outline", "--target=other").get("args"), None)

    def test_targets_need_no_image(self):
        listed = self.ask("targets", "--offline")["targets"]
        self.assertEqual([(target["name"], target["base"], target.get("default", False)) for target in listed],
                         [("compile", "${BASE}", False), ("other", "scratch", False), ("ship", "compile", True)])
        self.assertIn("ship (default)", self.imgbuild("build", "--call=targets", self.files).stdout)

    def test_a_check_as_json_has_warnings_and_the_status_says_so(self):
        untidy = self.context({"Buildfile": "FROM scratch AS Big\nCOPY Buildfile /\n"}, "untidy")
        for status, call in ((2, "check,format=json"), (0, "check,format=json,ignorestatus=true")):
            found = json.loads(self.imgbuild("build", "--call=" + call, untidy, status=status).stdout)
            self.assertEqual([warning["ruleName"] for warning in found["warnings"]], ["StageNameCasing"])
            self.assertEqual(found["warnings"][0]["location"]["ranges"][0]["start"]["line"], 1)
        broken = self.context({"Buildfile": "FROM scratch\nCOPPY a b\n"}, "broken")
        found = json.loads(self.imgbuild("build", "--call=check,format=json", broken, status=2).stdout)
        self.assertEqual((found["warnings"], found["buildError"]["location"]["ranges"][0]["start"]["line"]), ([], 2))

    def test_what_cannot_be_called_is_refused(self):
        self.refuse("--call=describe", self.files, status=2, says="no such method")
        self.refuse("--call=outline", "--target=shop", self.files, status=2, says=["shop", "ship"])
