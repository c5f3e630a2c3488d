# SPDX-License-Identifier: Apache-2.0
"""Every example of docs/buildfile.md gives what the page says."""

import os
import re

from support.archives import tar_of
from support.case import ROOT, EndToEnd, Link, write_tree
from support.examples import Outcome, examples_of
from support.oci import open_layout

# The context that the page shows at its beginning.
CONTEXT = {"hello.txt": "hello\n", "world.txt": "world\n", "link.txt": Link("hello.txt"),
           "files.tar": tar_of({"packed/inside.txt": "inside\n"}),
           "src/main.c": "int main;\n", "src/util/util.c": "int util;\n", "src/util/util.h": "extern int util;\n",
           "conf/app.conf": "port=80\n"}
SECRET = "hush\n"


def read_examples():
    with open(os.path.join(ROOT, "docs", "buildfile.md"), encoding="utf-8") as file:
        return examples_of(file.read())


EXAMPLES = read_examples()


class Language(EndToEnd):
    """One case for each section of the page."""

    def check(self, heading):
        write_tree(self.folder, {"token": SECRET})
        for number, example in enumerate(e for e in EXAMPLES if e.heading == heading):
            with self.subTest(line=example.line):
                outcome = self.outcome_of(example, f"example-{number}")
                self.assertEqual([outcome.found(fact) for fact in example.claims], example.claims, outcome.result.stderr)

    def outcome_of(self, example, name):
        files = dict(CONTEXT, Buildfile=example.buildfile)
        if example.ignore is not None:
            files[".dockerignore"] = example.ignore
        context = self.context(files, name)
        layout = self.path(name + ".oci")
        fails = any(claim.startswith("error: ") for claim in example.claims)
        checks_only = any(argument.startswith(("--check", "--call")) for argument in example.arguments)
        output = [] if checks_only else ["-o", f"type=oci,tar=false,dest={layout}"]
        result = self.build(*output, *example.arguments, cwd=context, status=None)
        self.assertEqual(result.status != 0, fails, result.stderr)
        return Outcome(result, None if fails or checks_only else open_layout(layout))


def add_cases():
    for heading in dict.fromkeys(example.heading for example in EXAMPLES):
        def case(self, heading=heading):
            self.check(heading)
        name = "test_" + re.sub(r"\W+", "_", heading.lower()).strip("_")
        setattr(Language, name, case)


add_cases()
